"""What is said about whole policies: findings of lint, what changed between two, who may do what.

All of it is decided with `core/policy/algebra`; what cannot be decided is said to be undecided.
"""
