"""Tests of core.controls."""
