"""Instants and durations as text: RFC 3339 in and out, relative times, durations like `15m`.

Inside, an instant is an int of microseconds since the Unix epoch, UTC; a duration is an int of seconds.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def rfc3339(at_us: int) -> str:
    """`2026-11-23T20:44:05.000001Z`: always UTC, always six digits, so that texts sort as times do."""
    return (_EPOCH + timedelta(microseconds=at_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_rfc3339(text: str) -> int:
    """Microseconds of an RFC 3339 date-time with an offset, or of a bare date (its start, UTC); ValueError otherwise."""
    if len(text) == 10 and text[4] == text[7] == "-":
        text += "T00:00:00Z"
    if not text.isascii() or len(text) < 20 or text[10] not in "Tt ":
        raise ValueError("not an RFC 3339 time such as 2026-11-23T20:44:05Z")
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError as e:
        raise ValueError("not an RFC 3339 time such as 2026-11-23T20:44:05Z") from e
    if moment.tzinfo is None:
        raise ValueError("a time needs its offset, such as Z or +01:00")
    return (moment - _EPOCH) // _MICROSECOND


def parse_duration(text: str) -> int:
    """Seconds of `30s`, `15m`, `8h`, `90d`; ValueError otherwise (no sum, no sign, at most ten digits)."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isascii() or not number.isdigit() or len(number) > 10:
        raise ValueError("not a duration such as 30s, 15m, 8h or 90d")
    return int(number) * _UNITS[unit]


def parse_time(text: str, now_us: int) -> int:
    """Microseconds of an RFC 3339 time, `now`, or a time relative to `now_us` such as `-15m` or `+1h`."""
    if text == "now":
        return now_us
    if text[:1] in ("-", "+"):
        seconds = parse_duration(text[1:])
        return now_us + (seconds if text[0] == "+" else -seconds) * 1_000_000
    return parse_rfc3339(text)


def duration(seconds: int) -> str:
    """The shortest text that `parse_duration` reads back: 900 → `15m`."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"
