"""`nhictl task …`: one verb a file."""
