"""Time windows: days of the week and a span of the day, in the policy's time zone; `to` is exclusive.

A window does not run over midnight (`from` must be before `to`, `to: "24:00"` is the end of the day): written as two
windows under `any` it says which day each half belongs to. Local wall-clock time counts, so a shift to summer time
shortens a window that contains it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.resource import Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

__all__ = ["DAYS", "compile_window", "local_time", "minute_of", "window_json", "zone"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ZONES: dict[str, tzinfo] = {}


def zone(name: str) -> tzinfo:
    """Return the rules of time zone `name`; raise `Refused` for an unknown one."""
    known = _ZONES.get(name)
    if known is not None:
        return known
    from datetime import UTC

    found: tzinfo
    if name == "UTC":
        found = UTC
    else:
        from zoneinfo import ZoneInfo

        try:
            found = ZoneInfo(name)
        except (KeyError, ValueError, OSError) as e:
            raise Refused(f"unknown time zone `{name}`") from e
    _ZONES[name] = found
    return found


def minute_of(text: Any) -> int:
    """Return the minute of the day that `HH:MM` names (00:00 to 24:00); raise `Refused`."""
    shaped = isinstance(text, str) and len(text) == 5 and text.isascii() and text[2] == ":"
    if not shaped or not (text[:2] + text[3:]).isdigit():
        raise Refused("a time of day is written `HH:MM`")
    minute = int(text[:2]) * 60 + int(text[3:])
    if int(text[3:]) > 59 or minute > 1440:
        raise Refused(f"there is no time of day `{text}`")
    return minute


def window_json(days: list[str] | None, start: Any, end: Any) -> dict[str, Any]:
    """Return the canonical form of a window; raise `Refused` if it is empty or runs over midnight."""
    low, high = minute_of("00:00" if start is None else start), minute_of("24:00" if end is None else end)
    if low >= high:
        raise Refused("`from` must be before `to`: a window does not run over midnight")
    wanted = DAYS if days is None else tuple(days)
    return {
        "days": [day for day in DAYS if day in wanted],
        "from": f"{low // 60:02}:{low % 60:02}",
        "to": f"{high // 60:02}:{high % 60:02}",
    }


def compile_window(window: dict[str, Any], timezone: str) -> tuple[Callable[[Any], int], Callable[[Any], Any]]:
    """Return the test over facts (never unknown) and a function that tells the local day and time it saw."""
    days = frozenset(DAYS.index(day) for day in window["days"])
    low, high = minute_of(window["from"]), minute_of(window["to"])

    def test(facts: Any) -> int:
        day, minute = local_time(facts.now_us, timezone)
        return 1 if day in days and low <= minute < high else 0

    def see(facts: Any) -> Any:
        day, minute = local_time(facts.now_us, timezone)
        return f"{DAYS[day]} {minute // 60:02}:{minute % 60:02} {timezone}"

    return test, see


def local_time(now_us: int, timezone: str) -> tuple[int, int]:
    """The day of the week, 0 for Monday, and the minute of the day that a clock in `timezone` shows."""
    from datetime import datetime

    moment = datetime.fromtimestamp(now_us // 1_000_000, zone(timezone))
    return moment.weekday(), moment.hour * 60 + moment.minute
