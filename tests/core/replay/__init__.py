"""Tests of core/replay."""
