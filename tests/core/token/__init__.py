"""Tests of core/token."""
