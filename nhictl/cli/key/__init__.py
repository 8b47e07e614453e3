"""The authority's own keys."""
