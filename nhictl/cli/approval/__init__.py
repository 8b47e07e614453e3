"""Verbs on calls that wait for a human."""
