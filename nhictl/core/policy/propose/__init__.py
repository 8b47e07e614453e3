"""Proposals: from what a log shows was done and allowed, the narrowest scope or rules that cover it, for people to review.

Promised: a proposal activates nothing and is never wider than its stated rules; it says beside each entry what it rests
on, and what it does not know. Every call it was learnt from is covered by it, or listed as left out with the reason: the
evaluator itself is asked, not a copy of it. Same events, same bytes. What stands in a log is data: it chooses values of
conditions, and nothing else.

The way: `collect` counts calls by intent, tool and argument; `roles` finds what an argument is (an address, a place, a
quantity, free text, …) by the look of its values, where they come from, and last by its name; `generalise` turns an
argument's values into a condition; `build` puts them together, `catalogue` adds types; `documents` and `yaml_text` write
YAML, and `proposal` reads it back and asks the evaluator about every call. `unused` asks the other way round: what is
granted that no call used.

Nothing here knows a tool, a person or a system by name. `words` holds the general vocabulary that names are read by.
Sources: reference `policy.md` §3 and §4, contract §4.
"""
