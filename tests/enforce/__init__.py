"""Enforcement points."""
