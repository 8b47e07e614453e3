"""`nhictl crypto …`: one verb a file."""
