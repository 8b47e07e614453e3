"""`nhictl key …`: one verb a file."""
