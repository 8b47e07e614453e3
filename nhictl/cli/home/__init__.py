"""`nhictl home …`: one verb a file."""
