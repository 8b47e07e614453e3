"""Exact set algebra on scopes: subset, intersection, difference, emptiness, each "no" with a request that proves it.

A scope is a union of boxes, and a box a conjunction of conditions on independent facts: tool, resource and arguments.
What it promises (design §5, reference `policy.md` §4): an answer is proven or it is not given. "Not inside" comes with
a witness, a whole request that the very evaluator of calls (`core/policy/scope.py`) was asked about and that it lets
through on one side and not on the other. Where the work would grow beyond a cap, or facts hang together in a way that
is not followed (`same_as`, resources derived from arguments), the answer is "undecided", and whoever asked fails closed.

How: of each fact, a few values stand for all there are (`points`, `automata`), so that every combination of the
conditions' answers that any value can give is given by one of them. Each leaves some of the boxes to be escaped behind;
a request outside of all of them is a choice of one value for each fact that together leave none (`cover`).

Import from the modules themselves; nothing on the way to a token or a decision imports this package.
"""
