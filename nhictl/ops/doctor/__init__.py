"""`doctor`: what is the matter with a home, and what to do. Works on a broken one, changes nothing, guesses nothing.

Each check stands alone: what one cannot do is its own finding (`unknown`, or `bad` with the reason), never a traceback
and never a reason for the next not to run.
"""
