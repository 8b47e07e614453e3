"""RFC 3339 texts and microseconds since the Unix epoch, UTC, without guessing: an instant always carries its offset."""

from __future__ import annotations

from nhictl.core.policy.resource import Refused

__all__ = ["instant_text", "parse_instant"]

_SHAPE = "dddd-dd-ddTdd:dd:dd"
_FIELDS = ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19))


def parse_instant(text: str) -> int:
    """Return the instant of an RFC 3339 date-time (at most 6 fractional digits) in microseconds; raise `Refused`."""
    from datetime import UTC, datetime, timedelta

    if len(text) > 40 or len(text) < 20 or not text.isascii():
        raise Refused("is not an RFC 3339 date-time with an offset")
    for char, shape in zip(text, _SHAPE, strict=False):
        if char.upper() != shape if shape != "d" else not char.isdigit():
            raise Refused("is not an RFC 3339 date-time with an offset")
    rest, fraction = text[19:], "0"
    if rest.startswith("."):
        fraction = rest[1 : 1 + _digits(rest[1:])]
        rest = rest[1 + len(fraction) :]
        if not 1 <= len(fraction) <= 6:
            raise Refused("has a fraction of a second that is not 1 to 6 digits")
    minutes = _offset(rest)
    try:
        year, month, day, hour, minute, second = (int(text[a:b]) for a, b in _FIELDS)
        base = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        base -= timedelta(minutes=minutes)
    except (ValueError, OverflowError) as e:
        raise Refused("names a date or time that does not exist") from e
    since = base - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + int(fraction.ljust(6, "0"))


def _digits(text: str) -> int:
    count = 0
    while count < len(text) and text[count].isdigit():
        count += 1
    return count


def _offset(text: str) -> int:
    if text in {"Z", "z"}:
        return 0
    shaped = len(text) == 6 and text[0] in "+-" and text[3] == ":" and text[1:3].isdigit() and text[4:].isdigit()
    if not shaped or int(text[1:3]) > 23 or int(text[4:]) > 59:
        raise Refused("is not an RFC 3339 date-time with an offset")
    minutes = int(text[1:3]) * 60 + int(text[4:])
    return minutes if text[0] == "+" else -minutes


def instant_text(at_us: int) -> str:
    """Return `at_us` as RFC 3339 in UTC with six fractional digits, so that the order of texts is the order of times."""
    from datetime import UTC, datetime, timedelta

    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
    return moment.strftime("%Y").rjust(4, "0") + moment.strftime("-%m-%dT%H:%M:%S.%fZ")
