"""The authority's own keys: one verb a file."""
