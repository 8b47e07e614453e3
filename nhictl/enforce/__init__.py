"""Enforcement points: they stand in front of a tool and ask before each call (NIST SP 800-207's policy enforcement point).

Each promises three things, whatever its host speaks: a call is made only if it was judged with the very arguments it is
made with and recorded as allowed; what cannot be judged or recorded is not made; what came of it is recorded. They hold a
token or a task and nothing that could make another, and they call `ops` like everybody else.
"""
