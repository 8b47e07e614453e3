"""Instants that stand for all time from now on, for windows of the week in one or two time zones and for ends.

Between two ends all that a window reads is the local day and minute in its zone. So for each pair of offsets that the
zones have, some days on which they hold, and on these each minute at which a window of either opens or closes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.time_window import minute_of, zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nhictl.core.policy.algebra.budget import Budget

__all__ = ["moments"]

_DAY = 86_400_000_000
_MINUTE = 60_000_000
_YEAR_DAYS = 372
_LAST_US = 4_102_444_800_000_000  # 2100-01-01: ends beyond it are not told from never


def moments(
    windows: Iterable[tuple[dict[str, Any], str]],
    ends: Iterable[int],
    now_us: int,
    seen: Callable[[int], Any],
    budget: Budget,
) -> tuple[list[int], bool]:
    """Instants from `now_us` on, one for everything that `seen` makes of an instant, earliest first, and whether these
    are all; `windows` in canonical form with their zones, `ends` in microseconds.
    """
    asked = list(windows)
    zones = sorted({name for _, name in asked}) or ["UTC"]
    minutes = sorted({0, *(minute_of(w[key]) % 1440 for w, _ in asked for key in ("from", "to"))})
    cuts = sorted({now_us, *(end for end in ends if now_us < end < _LAST_US)})
    found: dict[Any, int] = {}
    complete = True
    for at, start in enumerate(cuts):
        stop = cuts[at + 1] if at + 1 < len(cuts) else start + _YEAR_DAYS * _DAY
        for moment in [start] if not asked else _between(start, stop, zones, minutes):
            budget.spend(1)
            found.setdefault(seen(moment), moment)
    if len(zones) > 1:
        complete = _lasting(cuts[-1], zones)
    return sorted(found.values()), complete


def _between(start: int, stop: int, zones: list[str], minutes: list[int]) -> list[int]:
    """`start`, and each of the minutes on up to ten days in a row for each set of offsets that holds before `stop`."""
    made = {start}
    had: dict[tuple[int, ...], int] = {}
    day = start - start % _DAY - _DAY
    while day < stop and day < start + _YEAR_DAYS * _DAY:
        offsets = _offsets(day + _DAY // 2, zones)
        had[offsets] = had.get(offsets, 0) + 1
        if had[offsets] <= 10:
            for offset in set(offsets):
                made.update(day + minute * _MINUTE - offset for minute in minutes)
        day += _DAY
    return sorted(moment for moment in made if start <= moment < stop)


def _offsets(at_us: int, zones: list[str]) -> tuple[int, ...]:
    from datetime import datetime

    made = []
    for name in zones:
        offset = datetime.fromtimestamp(at_us // 1_000_000, zone(name)).utcoffset()
        made.append(int(offset.total_seconds()) * 1_000_000 if offset is not None else 0)
    return tuple(made)


def _lasting(start: int, zones: list[str]) -> bool:
    """Whether each pair of offsets of the year to come holds for ten days in a row, so that every local week was seen."""
    runs: dict[tuple[int, ...], int] = {}
    before, length = None, 0
    for day in range(_YEAR_DAYS):
        offsets = _offsets(start + day * _DAY, zones)
        length = length + 1 if offsets == before else 1
        before = offsets
        runs[offsets] = max(runs.get(offsets, 0), length)
    return all(length >= 10 for length in runs.values())
