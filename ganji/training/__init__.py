"""Training of the generators. Imported by the command line only; a Space never loads it."""
