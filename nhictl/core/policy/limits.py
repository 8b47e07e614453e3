"""Limits (reference `policy.md` §2.7): forbids with a counter. Every one that matches a call has to hold.

current + in flight + this call ≤ max. What a call takes is reserved when it is allowed and counts as used until a result
says otherwise, so that current and in flight are one number here. Bytes that leave are known only afterwards: they stop
the next call. Where counts come from is not known here: `Counters` is the store's in the live path, `Tally` in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from nhictl.core.policy.condition import FALSE
from nhictl.core.policy.cost import add, read_amount
from nhictl.core.policy.plan import Rule
from nhictl.core.policy.types import plain

if TYPE_CHECKING:
    from decimal import Decimal

    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.facts import Facts
    from nhictl.core.policy.request import Request

__all__ = ["NONE", "PER", "Charge", "Counter", "Counters", "Exceeded", "Limit", "Used", "limits_of", "weigh"]

PER: Final = ("task", "agent", "instance", "principal", "all")
_SECOND: Final = 1_000_000


class Used(NamedTuple):
    """What a counter stands at, calls in flight included: calls, exact amount in the limit's unit, bytes that left."""

    calls: int
    spend: int | Decimal
    bytes_out: int


NONE: Final = Used(0, 0, 0)


class Counter(NamedTuple):
    """Which count: of a limit, for one task, agent, instance or principal (`key`; empty: there is none), in one unit."""

    limit: str
    per: str
    key: str
    unit: str | None


class Counters(Protocol):
    """Where counts come from. A missing counter stands at nothing."""

    def used(self, counter: Counter, since_us: int | None) -> Used:
        """What was used later than `since_us` (microseconds UTC); None: ever."""


class Charge(NamedTuple):
    """What an allowed call takes from one counter: one call, and `spend` of its unit; None where money is not counted."""

    counter: Counter
    spend: int | Decimal | None


class Exceeded(NamedTuple):
    """The limit that does not hold: what it counts (`calls`, `spend`, `bytes_out`), and when the call, which `takes`
    so much of a spending limit, would fit.

    `resets_us` assumes that nothing else happens; None: never. `foreign` is the currency of a call that the limit's unit
    cannot count.
    """

    limit: str
    per: str
    counts: str
    unit: str | None
    used: int | Decimal
    max: int | Decimal
    resets_us: int | None
    takes: int | Decimal
    foreign: str | None = None

    def to_json(self) -> dict[str, Any]:
        """`{limit, per, counts, used, max, resets}`, and `unit` of money."""
        from nhictl.core import times

        made: dict[str, Any] = {
            "limit": self.limit, "per": self.per, "counts": self.counts, "used": plain(self.used),
            "max": plain(self.max), "resets": None if self.resets_us is None else times.rfc3339(self.resets_us),
        }  # fmt: skip
        return made | {"unit": self.unit} if self.counts == "spend" else made

    def __str__(self) -> str:
        if self.foreign is not None:
            return f"limit `{self.limit}` counts {self.unit}, and this call costs {self.foreign}"
        what = f" {self.unit}" if self.counts == "spend" else " bytes" if self.counts == "bytes_out" else " calls"
        each = " in all" if self.per == "all" else f" by this {self.per}"
        more = f", and this call takes {plain(self.takes)}" if self.counts == "spend" else ""
        room = f"; room again {self.to_json()['resets']}" if self.resets_us is not None else ""
        return f"limit `{self.limit}`: {plain(self.used)} of {plain(self.max)}{what} used{each}{more}{room}"


class Limit:
    """A limit as it applies to one tool."""

    __slots__ = ("bytes_out", "calls", "id", "per", "rule", "spend", "tests", "unit", "window_us")

    def __init__(self, form: dict[str, Any], tool: Tool, timezone: str) -> None:
        self.id: str = form["id"]
        self.per: str = form["per"]
        self.window_us: int | None = form["window_s"] * _SECOND if form["window_s"] is not None else None
        self.calls: int | None = form["calls"]
        self.bytes_out: int | None = form["bytes_out"]
        spend = form["spend"] if tool.cost is not None else None
        self.unit: str | None = form["spend"]["unit"] if form["spend"] is not None else None
        self.spend: int | Decimal | None = read_amount(spend["max"]) if spend is not None else None
        self.rule = Rule({**form, "effect": "forbid", "obligations": []}, tool, timezone)
        self.tests = [test.run for test in self.rule.tests]

    def applies(self, facts: Facts) -> bool:
        """Whether it matches or may match: what is unknown does not keep it from counting."""
        return all(test(facts) != FALSE for test in self.tests)

    def counter(self, facts: Facts, request: Request) -> Counter:
        """The counter that a call is counted on."""
        return Counter(self.id, self.per, _key(self.per, facts, request), self.unit)

    def exceeded(self, used: Used, spend: int | Decimal) -> tuple[str, int | Decimal, int | Decimal] | None:
        """What would be over with one more call that costs `spend`: its kind, what is used, what is allowed."""
        if self.calls is not None and used.calls + 1 > self.calls:
            return "calls", used.calls, self.calls
        if self.spend is not None and add(used.spend, spend) > self.spend:
            return "spend", used.spend, self.spend
        if self.bytes_out is not None and used.bytes_out >= self.bytes_out:
            return "bytes_out", used.bytes_out, self.bytes_out
        return None


def _key(per: str, facts: Facts, request: Request) -> str:
    if per == "agent":
        return facts.agent.name
    if per == "task":
        return str(facts.claims.get("task.id") or "")
    if per == "principal":
        return str(facts.claims.get("task.principal") or "")
    if per == "instance":
        return f"{facts.agent.name}/{(request.task or {}).get('instance', '')}"
    return ""


def limits_of(form: dict[str, Any], tool: Tool, timezone: str) -> list[Limit]:
    """The limits of one tool, by id."""
    return [Limit(one, tool, timezone) for one in form.get("limits", ()) if tool.name in one["tools"]]


def weigh(
    limits: list[Limit], tool: Tool, facts: Facts, request: Request, counters: Counters | None
) -> tuple[list[Exceeded], list[Charge]]:
    """Which limits would not hold with this call, and what it takes from each counter if it is allowed.

    Without `counters` nothing was used yet.
    """
    over: list[Exceeded] = []
    charges: list[Charge] = []
    cost = tool.cost.of(facts.args) if tool.cost is not None else None
    for limit in limits:
        if not limit.applies(facts):
            continue
        counter = limit.counter(facts, request)
        now = facts.now_us
        since = None if limit.window_us is None else now - limit.window_us
        used = counters.used(counter, since) if counters is not None else NONE
        spend: int | Decimal | None = None
        if limit.spend is not None and cost is not None:
            if cost[1] != limit.unit:
                seen = (limit.unit, used.spend, limit.spend, None, cost[0], cost[1])
                over.append(Exceeded(limit.id, limit.per, "spend", *seen))
                continue
            spend = cost[0]
        if (found := limit.exceeded(used, spend or 0)) is not None:
            resets = _resets(limit, counter, spend or 0, counters, now)
            over.append(Exceeded(limit.id, limit.per, found[0], limit.unit, found[1], found[2], resets, spend or 0))
        else:
            charges.append(Charge(counter, spend))
    return over, charges


def _resets(limit: Limit, counter: Counter, spend: int | Decimal, counters: Counters | None, now_us: int) -> int | None:
    """The first microsecond at which enough has left the window; None where that never happens."""
    if limit.window_us is None or counters is None or limit.exceeded(NONE, spend) is not None:
        return None
    low, high = now_us, now_us + limit.window_us + _SECOND * 60  # records may be a little ahead of the clock
    while high - low > 1:
        middle = (low + high) // 2
        if limit.exceeded(counters.used(counter, middle - limit.window_us), spend) is None:
            high = middle
        else:
            low = middle
    return high
