"""Hooks of coding agents: one process for each event, told of it on standard input, answering in the host's terms.

What the hosts have in common stands in `event` (what happened) and `handle` (what we do); how a host is answered, in
`hosts`. A host that is not told to block lets the call run, so every failure has to end in its one blocking answer.
"""
