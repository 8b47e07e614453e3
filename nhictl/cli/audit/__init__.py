"""`nhictl audit …`: one verb a file."""
