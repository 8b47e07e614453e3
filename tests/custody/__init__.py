"""Who keeps the key of the keys: its file, its keepers, its changes, and what a thief of the home can do."""
