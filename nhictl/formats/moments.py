"""Times as other systems write them, as RFC 3339 in UTC; None for what is none, and zero is none: never epoch 0."""

from __future__ import annotations

from typing import Any, Final

from nhictl.core import times

_LAST_NS: Final = 253402300800 * 10**9
_PER_UNIT: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
UNITS: Final = tuple(_PER_UNIT)


def rfc3339(value: Any) -> str | None:
    """An RFC 3339 text with an offset: as it is if it says UTC by `Z`, else turned to UTC."""
    if not isinstance(value, str):
        return None
    try:
        at_us = times.parse_rfc3339(value) if len(value) > 10 else None
    except (ValueError, OverflowError):
        return None
    if at_us is None:
        return None
    return value if value[10] == "T" and value.endswith("Z") else times.rfc3339(at_us)


def since_epoch(value: Any, unit: str) -> str | None:
    """A number since 1970 in `s`, `ms`, `us` or `ns`, as a number or as decimal text; nanoseconds are kept if given."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 40:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    scale = _PER_UNIT[unit]
    # A double is exact to about a microsecond: what it says beyond is noise.
    ns = value * scale if isinstance(value, int) else round(value * scale / 1000) * 1000
    if not 0 < ns < _LAST_NS:
        return None
    text = times.rfc3339(ns // 1000)
    return f"{text[:-1]}{ns % 1000:03d}Z" if ns % 1000 else text
