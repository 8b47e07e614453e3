"""Limits over a log, run again in its order: what certainly was used, what at most, and what follows from the two.

A call is denied only if its limit is certainly exceeded, by the least that was used; it keeps its answer if no limit is,
even by the most; all between is unknown. The two differ where facts are gone that a limit or a cost reads, where an earlier
call is itself undecided, where nobody knows for whom a call counts, when it was made, or how many bytes left with it.
Nothing was used before the log begins. A call that never was made, by its record, gives back what it took.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nhictl.core.policy.cost import add
from nhictl.core.policy.counters import MAX_BYTES, Result, Tally
from nhictl.core.policy.limits import NONE, Charge, Counter, Limit, Used
from nhictl.core.policy.outcomes import Judgement, Partial, collect

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from nhictl.core.policy.case import Case
    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.facts import Facts
    from nhictl.core.policy.partial import Judge

__all__ = ["LimitMeter"]

_MOST: Final = 10**60
"""More than any limit allows: what a call may cost of which that is not known."""
_ANYBODY, _NOBODY_KNOWS, _UNTIMED = "*", "?", "~"


class _Seen(NamedTuple):
    """One limit before one call: whether it certainly counts it, for whom (None: not known), and what it costs."""

    limit: Limit
    certain: bool
    key: str | None
    least: int | Any | None
    most: int | Any | None
    foreign: bool
    missing: frozenset[str]


class LimitMeter:
    """Counters of one side of a simulation."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._least = Tally()
        self._most = Tally()
        self._newest = 0

    def admit(self, cases: Sequence[Case], judged: Judgement, ref: Hashable) -> Judgement:
        """Hold a call, which everyone of `cases` makes together, to the limits, and count it under `ref`."""
        seen = [one for case in cases for one in self._limits(case)]
        if not seen:
            return judged
        now = cases[0].now_us
        if now is not None:
            self._newest = now = max(now, self._newest)
        sure = [one.limit.id for one in seen if self._exceeded(one, now)]
        if sure:
            return Judgement("deny", "limit_exceeded", list(dict.fromkeys(sure)), judged.classes)
        open_ = [one for one in seen if self._may_exceed(one, now)]
        if open_:
            missing = {path for one in open_ for path in one.missing} or {"counters"}
            rules = [*judged.rules] if judged.decision == "unknown" else []
            rules += [one.limit.id for one in open_]
            judged = judged._replace(
                decision="unknown", reason="indeterminate", rules=list(dict.fromkeys(rules)),
                missing=tuple(sorted({*judged.missing, *missing})),
            )  # fmt: skip
        self._count(seen, now, ref, allowed=judged.decision == "allow")
        return judged

    def settle(self, ref: Hashable, *, executed: bool | None, bytes_out: int | None) -> None:
        """What is known of a call's result: whether it was made, and the bytes that left (None: not known)."""
        least = Result(executed is not False, bytes_out or 0)
        most = Result(executed is not False, MAX_BYTES if bytes_out is None else bytes_out)
        self._least.settle(ref, least, self._newest)
        self._most.settle(ref, most, self._newest)

    def _limits(self, case: Case) -> list[_Seen]:
        policy = self._judge.policy
        tool = policy.tool(case.tool) if policy is not None else None
        if policy is None or tool is None:
            return []
        reads = self._judge.reads(tool)
        facts, found = None, []
        for limit in policy.limits(tool):
            paths: set[str] = set()
            collect(limit.rule.tests, paths)
            missing = reads.missing(case, paths)
            facts = facts or self._judge.facts(tool, case)
            mask = Partial(policy, reads, facts, missing, timeless=case.now_us is None).every(limit.rule.tests)
            if mask.never:
                continue
            key = case.counted.get(limit.per) if limit.per != "all" else ""
            costs = _costs(limit, tool, facts, reads.missing(case, _cost_paths(limit, tool)))
            found.append(
                _Seen(limit, mask.always, key, *costs, missing | reads.missing(case, _cost_paths(limit, tool)))
            )
        return found

    def _exceeded(self, one: _Seen, now: int | None) -> bool:
        if not one.certain:
            return False
        if one.foreign and one.least == _MOST:
            return True
        used = NONE
        if one.key is not None and (now is not None or one.limit.window_us is None):
            used = self._least.used(_counter(one.limit, one.key), _since(one.limit, now))
        return one.limit.exceeded(used, one.least or 0) is not None

    def _may_exceed(self, one: _Seen, now: int | None) -> bool:
        if one.foreign:
            return True
        since = _since(one.limit, now)
        names = [_ANYBODY] if one.key is None else [f"={one.key}", _NOBODY_KNOWS]
        used = NONE
        for name in names:
            used = _plus(used, self._most.used(_counter(one.limit, name), since))
            used = _plus(used, self._most.used(_counter(one.limit, name + _UNTIMED), None))
        return one.limit.exceeded(used, one.most or 0) is not None

    def _count(self, seen: Sequence[_Seen], now: int | None, ref: Hashable, *, allowed: bool) -> None:
        least: dict[Counter, Charge] = {}
        most: dict[Counter, Charge] = {}
        for one in seen:
            spends = one.limit.spend is not None
            if allowed and one.certain and one.key is not None and (now is not None or one.limit.window_us is None):
                counter = _counter(one.limit, one.key)
                least[counter] = Charge(counter, (one.least or 0) if spends else None)
            end = _UNTIMED if now is None else ""
            for name in (_ANYBODY, _NOBODY_KNOWS if one.key is None else f"={one.key}"):
                counter = _counter(one.limit, name + end)
                most[counter] = Charge(counter, (one.most or 0) if spends else None)
        self._least.reserve(ref, least.values(), self._newest)
        self._most.reserve(ref, most.values(), self._newest)


def _counter(limit: Limit, key: str) -> Counter:
    return Counter(limit.id, limit.per, key, limit.unit)


def _since(limit: Limit, now: int | None) -> int | None:
    return None if limit.window_us is None or now is None else now - limit.window_us


def _plus(one: Used, other: Used) -> Used:
    return Used(one.calls + other.calls, add(one.spend, other.spend), one.bytes_out + other.bytes_out)


def _cost_paths(limit: Limit, tool: Tool) -> list[str]:
    """The arguments that tell what a call costs, as far as the limit counts it."""
    if limit.spend is None or tool.cost is None:
        return []
    return [one for one in tool.cost.form.values() if isinstance(one, str) and one.startswith("args.")]


def _costs(limit: Limit, tool: Tool, facts: Facts, missing: frozenset[str]) -> tuple[Any, Any, bool]:
    """The least and the most a call costs of a spending limit, and whether it may be in money that the limit cannot count; a
    least of `_MOST` says that it certainly is.
    """
    if limit.spend is None or tool.cost is None:
        return None, None, False
    amount, currency = tool.cost.form["amount"], tool.cost.form["currency"]
    unit = None if currency in missing else facts.args[currency[5:]] if str(currency)[:5] == "args." else currency
    if unit is None:
        return 0, _MOST, True
    if unit != limit.unit:
        return _MOST, _MOST, True
    if isinstance(amount, str) and amount in missing:
        return 0, _MOST, False
    cost = tool.cost.of(facts.args)[0]
    return cost, cost, False
