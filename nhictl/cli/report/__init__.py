"""Verbs that make reports for reviews and audits."""
