"""`python -m ganji`."""

from ganji.cli import main

raise SystemExit(main())
