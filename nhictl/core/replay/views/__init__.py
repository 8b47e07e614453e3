"""Views of authority over a log: scope granted against used, delegation, the state at a moment, one token's blast radius.

Promised: all from the one fold of `core/replay/authority`, so that they cannot disagree; what the evidence does not show
is null or named in `unknown`.
"""
