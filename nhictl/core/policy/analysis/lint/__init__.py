"""Lint of whole policies: every finding of reference `policy.md` §4 that is about one policy, decided exactly."""
