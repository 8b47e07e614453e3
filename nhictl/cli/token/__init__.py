"""`nhictl token …`: one verb a file."""
