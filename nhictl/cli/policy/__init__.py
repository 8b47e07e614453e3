"""`nhictl policy …`: one verb a file."""
