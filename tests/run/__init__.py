"""Tests of `nhictl run`: real processes, and what they leave behind."""
