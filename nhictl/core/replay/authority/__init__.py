"""Who had which authority when, folded from the records alone: agents, tasks, tokens, policies, freezes, cut-offs.

Promised: pure, in one pass and in log order; nothing is read but the records (reference/log.md §1), so that it works on a
file that somebody hands over, and can be held against the state tables of a home. What the records commit to and cannot
show stays None, which means unknown and never "nothing".
"""
