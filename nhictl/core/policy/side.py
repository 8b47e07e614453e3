"""One side of a simulation: a policy, and its counters where it has limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from nhictl.core.policy.partial import Judge

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from nhictl.core.policy.case import Case
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.outcomes import Judgement

__all__ = ["Meter", "Side"]


class Meter(Protocol):
    """Counters of one side, run again over the log in its order: each call once, and only those that pass what is before."""

    def admit(self, cases: Sequence[Case], judged: Judgement, ref: Hashable) -> Judgement:
        """Hold a call that rules and gates allow, or may allow, to everyone who makes it, to the limits, and count it."""
        ...

    def settle(self, ref: Hashable, *, executed: bool | None, bytes_out: int | None) -> None:
        """What became of it, as far as that is known."""
        ...


class Side:
    """A policy with its own counters, where it has limits."""

    def __init__(self, policy: Policy | None, meter: Meter | None = None) -> None:
        self.digest = policy.digest if policy is not None else None
        self.judge = Judge(policy)
        self.meter = meter
        if meter is None and policy is not None and policy.limited:
            from nhictl.core.policy.metering import LimitMeter

            self.meter = LimitMeter(self.judge)

    def decide(self, cases: Sequence[Case], ref: Hashable = None) -> Judgement:
        """What this side decides about a call that all of these make together, counters included."""
        made = _together([self.judge.judge(case) for case in cases])
        if self.meter is None or made.decision == "deny":
            return made
        return self.meter.admit(cases, made, ref)

    def settle(self, ref: Hashable, *, executed: bool | None, bytes_out: int | None) -> None:
        """What became of a call that was counted under `ref`."""
        if self.meter is not None:
            self.meter.settle(ref, executed=executed, bytes_out=bytes_out)


def _together(made: list[Judgement]) -> Judgement:
    """One decision out of those on everyone involved: a denial, else what is not known, else allowed by all their rules."""
    for decision in ("deny", "unknown"):
        for one in made:
            if one.decision == decision:
                return one
    if len(made) == 1:
        return made[0]
    return made[0]._replace(rules=list(dict.fromkeys(rule for one in made for rule in one.rules)))
