"""The policy core: documents, conditions, boxes and decisions as a pure function of what is handed in.

What it promises (reference `policy.md` §1 and §2): default deny, forbid overrides, no priorities, no dependence on the
order of rules or on how they are split over files. Evaluation is three-valued: a permit and a scope count only where
they are true, a forbid applies where it is true *or unknown*, so that leaving a value out never dodges a rule. Every
value has one normal form before it is compared, and what has none is refused, not repaired.

Nothing here reads a clock, a disk or the environment, with one exception: time windows ask `zoneinfo` for the rules of
the policy's time zone. Import from the modules themselves; this package imports none of them, which keeps starts fast.
"""
