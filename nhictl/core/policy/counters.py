"""Counters in memory, pure: what limits stand at when calls are allowed and settled one after another, in log order.

`policy simulate` drives one of these over a log, and `policy test` over a case's `before`; the store keeps the same
counts durably (`ops/limits.py`). Times never go back here: one that does counts as the newest seen.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple

from nhictl.core.policy.cost import add
from nhictl.core.policy.limits import NONE, Charge, Counter, Used
from nhictl.core.policy.types import Refused, exact

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable
    from decimal import Decimal

__all__ = ["MAX_BYTES", "Result", "Tally", "checked", "correction"]

MAX_BYTES = 10**15


class Result(NamedTuple):
    """What became of a call that was allowed: whether it was carried out, the bytes that left, and the amount it really
    cost (None: what was reserved).
    """

    executed: bool = True
    bytes_out: int = 0
    spend: int | Decimal | None = None


def checked(result: Result) -> Result:
    """The result with an exact amount; `Refused` for bytes or an amount that no call can have."""
    if type(result.bytes_out) is not int or not 0 <= result.bytes_out <= MAX_BYTES:
        raise Refused(f"says bytes_out {result.bytes_out}, not 0 to {MAX_BYTES}")
    spend = None if result.spend is None else exact(result.spend)
    if spend is not None and spend < 0:
        raise Refused("says a negative cost")
    return result._replace(spend=spend)


def correction(taken: int | Decimal | None, result: Result) -> tuple[int, int | Decimal, int | Decimal]:
    """What settling changes of a counter that a call took `taken` from: calls given back, amount given back, amount added.

    A call that was not carried out gives back all it took. One that failed does not: what it did before is not known.
    """
    if not result.executed:
        return 1, taken or 0, 0
    if result.spend is None or taken is None:
        return 0, 0, 0
    more = add(result.spend, -taken)
    return (0, 0, more) if more >= 0 else (0, -more, 0)


class _Line:
    """One counter: sums after each entry, and what was given back, by the time of the call it belongs to."""

    __slots__ = ("back", "sums", "times")

    def __init__(self) -> None:
        self.times: list[int] = []
        self.sums: list[Used] = [NONE]
        self.back: list[tuple[int, int, Any]] = []

    def put(self, at_us: int, calls: int, spend: int | Decimal, bytes_out: int) -> None:
        last = self.sums[-1]
        self.times.append(at_us)
        self.sums.append(Used(last.calls + calls, add(last.spend, spend), last.bytes_out + bytes_out))

    def used(self, since_us: int | None) -> Used:
        before = NONE if since_us is None else self.sums[bisect_right(self.times, since_us)]
        last = self.sums[-1]
        calls, spend = last.calls - before.calls, add(last.spend, -before.spend)
        for at_us, back, amount in self.back:
            if since_us is None or at_us > since_us:
                calls, spend = calls - back, add(spend, -amount)
        return Used(calls, spend, last.bytes_out - before.bytes_out)


class Tally:
    """Counts of any number of limits. `reserve` what a decision charges, `settle` it by the same reference later."""

    def __init__(self) -> None:
        self._lines: dict[Counter, _Line] = {}
        self._open: dict[Hashable, tuple[int, tuple[Charge, ...]]] = {}
        self._newest = 0

    def used(self, counter: Counter, since_us: int | None) -> Used:
        """What was used later than `since_us`; None: ever."""
        line = self._lines.get(counter)
        return NONE if line is None else line.used(since_us)

    def reserve(self, ref: Hashable, charges: Iterable[Charge], at_us: int) -> None:
        """An allowed call takes what its decision says."""
        self._newest = at_us = max(at_us, self._newest)
        taken = tuple(charges)
        for charge in taken:
            self._line(charge.counter).put(at_us, 1, charge.spend or 0, 0)
        self._open[ref] = (at_us, taken)

    def settle(self, ref: Hashable, result: Result, at_us: int) -> bool:
        """Its result is known; False for a call that is not open, which changes nothing. `Refused` as `checked` says."""
        result = checked(result)
        found = self._open.pop(ref, None)
        if found is None:
            return False
        self._newest = at_us = max(at_us, self._newest)
        then, taken = found
        for charge in taken:
            calls, back, more = correction(charge.spend, result)
            line = self._line(charge.counter)
            if calls or back:
                line.back.append((then, calls, back))
            if more or result.bytes_out:
                line.put(at_us, 0, more, result.bytes_out)
        return True

    def _line(self, counter: Counter) -> _Line:
        return self._lines.setdefault(counter, _Line())
