"""`nhictl agent …`: one verb a file."""
