"""Verbs on downstream secrets."""
