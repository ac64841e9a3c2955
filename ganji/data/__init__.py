"""Pictures to train on: emoji composed from open drawings, and a user's own folder. Offline tools; the app never imports them."""
