"""One use case a file. The only layer that sees clock, store and core together, and the only one that changes anything.

Every change goes through `act.transact`: lock, read, decide, change state and append the record, advance the tree,
sign the checkpoint, commit, and only then answer.
"""
