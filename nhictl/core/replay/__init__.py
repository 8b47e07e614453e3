"""Replay: what was done, in order, from our own log or a foreign one, as one shape of event.

Promised: the same input gives the same bytes; nothing is guessed (an unknown time, parent or outcome stays unknown, and
`unproven` says what evidence is missing); no walk recurses on the depth of the data. Labels and texts are handed on
raw: whoever draws them escapes them.

Sources: contract §5, reference/replay.md §1 and §2, reference/log.md §1.
"""
