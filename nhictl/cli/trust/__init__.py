"""`nhictl trust …`: one verb a file."""
