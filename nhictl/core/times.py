"""Instants and durations as text: RFC 3339 in and out, relative times, durations like `15m`.

Inside, an instant is an int of microseconds since the Unix epoch, UTC; a duration is an int of seconds.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST_US: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST_US: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def rfc3339(at_us: int) -> str:
    """`2026-11-23T20:44:05.000001Z`: always UTC, always six digits, so that texts sort as times do."""
    second, rest = divmod(at_us, 1_000_000)
    return f"{_second(second)}.{rest:06}Z"


@lru_cache(maxsize=256)
def _second(at_s: int) -> str:
    return (_EPOCH + timedelta(seconds=at_s)).isoformat()[:19]


def parse_rfc3339(text: str) -> int:
    """Microseconds of an RFC 3339 date-time with an offset, or of a bare date (its start, UTC); ValueError otherwise."""
    if len(text) == 10:
        text += "T00:00:00Z"
    if not _shaped(text):
        raise ValueError("not an RFC 3339 time such as 2026-11-23T20:44:05Z")
    if not text[19:].lstrip(".0123456789"):
        raise ValueError("a time needs its offset, such as Z or +01:00")
    try:
        moment = (datetime.fromisoformat(text.upper()) - _EPOCH) // _MICROSECOND
    except ValueError as e:
        raise ValueError("not an RFC 3339 time such as 2026-11-23T20:44:05Z") from e
    if not _FIRST_US <= moment <= _LAST_US:  # by its offset: 0001-01-01T00:00:00+23:00
        raise ValueError("a time lies in the years 1 to 9999")
    return moment


def _shaped(text: str) -> bool:
    """RFC 3339 §5.6: seconds are not left out, weeks and commas are ISO 8601's; `fromisoformat` would take them."""
    if not (20 <= len(text) <= 48 or len(text) == 19) or not text.isascii() or text[11:13] == "24":
        return False
    fixed = text[4] + text[7] + text[13] + text[16]
    digits = text[:4] + text[5:7] + text[8:10] + text[11:13] + text[14:16] + text[17:19]
    if fixed != "--::" or text[10] not in "Tt " or not digits.isdigit():
        return False
    offset = text[19:]
    if offset[:1] == ".":
        offset = offset[1:].lstrip("0123456789")
        if len(offset) >= len(text) - 20:
            return False
    if offset in ("", "Z", "z"):
        return True
    plain = len(offset) == 6 and offset[0] in "+-" and offset[3] == ":" and (offset[1:3] + offset[4:]).isdigit()
    return plain and int(offset[4:]) < 60


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
        moment = now_us + (seconds if text[0] == "+" else -seconds) * 1_000_000
        if not _FIRST_US <= moment <= _LAST_US:
            raise ValueError("a time lies in the years 1 to 9999")
        return moment
    return parse_rfc3339(text)


def duration(seconds: int) -> str:
    """The shortest text that `parse_duration` reads back: 900 → `15m`."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"
