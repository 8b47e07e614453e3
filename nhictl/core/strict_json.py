"""Strict JSON (RFC 8259, I-JSON RFC 7493): what two readers could understand differently is refused.

Refused: a byte order mark, invalid UTF-8, duplicate members, NaN and Infinity, lone surrogates, nesting deeper than
`max_depth`, numbers that overflow a double or have more than 1,000 digits. Used for tokens, requests, batch lines and
foreign logs alike.
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["DuplicateMemberError", "StrictJSONError", "SurrogateError", "dumps", "loads"]


class StrictJSONError(ValueError):
    """The text is not strict JSON; the message says why, `line` and `column` (from 1) where, if that is known."""

    line: int | None = None
    column: int | None = None


class SurrogateError(StrictJSONError):
    """A string holds half of a character."""


class DuplicateMemberError(StrictJSONError):
    """An object names the same member twice."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise DuplicateMemberError(f"duplicate member `{name}`")
            seen.add(name)
    return made


def _constant(word: str) -> Any:
    raise StrictJSONError(f"`{word}` is not JSON")


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise StrictJSONError("number out of range")
    return value


def _int(text: str) -> int:
    if len(text) > 1000:
        raise StrictJSONError("number has too many digits")
    return int(text)


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float, parse_int=_int)


def _check(value: Any, max_depth: int) -> None:
    """Depth and surrogates, without recursion: a hostile document must not exhaust the stack."""
    level: list[Any] = [value]
    depth = 0
    while level:
        below: list[Any] = []
        nested = False  # counted by containers: an empty one is as deep as a full one
        for item in level:
            if isinstance(item, dict):
                nested = True
                below.extend(item)
                below.extend(item.values())
            elif isinstance(item, list):
                nested = True
                below.extend(item)
            elif isinstance(item, str) and not item.isascii():
                try:
                    item.encode("utf-8")
                except UnicodeEncodeError as e:
                    raise SurrogateError("lone surrogate in a string") from e
        depth += nested
        if depth > max_depth:
            raise StrictJSONError(f"nested deeper than {max_depth}")
        level = below


def loads(data: bytes | str, *, max_depth: int = 32) -> Any:
    """Return the value of one JSON text; raise `StrictJSONError` (or `DuplicateMemberError`) otherwise."""
    if isinstance(data, bytes):
        if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
            raise StrictJSONError("byte order mark")
        try:
            data = data.decode("utf-8")
        except UnicodeDecodeError as e:
            raise StrictJSONError(f"invalid UTF-8 at byte {e.start}") from e
    try:
        value = _DECODER.decode(data)
    except json.JSONDecodeError as e:
        error = StrictJSONError(e.msg.lower())
        error.line, error.column = e.lineno, e.colno
        raise error from e
    except RecursionError as e:
        raise StrictJSONError(f"nested deeper than {max_depth}") from e
    # Decoded UTF-8 holds no surrogate that an escape did not make, and no more levels than brackets.
    if "\\u" in data or data.count("{") + data.count("[") > max_depth:
        _check(value, max_depth)
    return value


def dumps(value: Any) -> str:
    """Compact JSON, UTF-8 text kept as it is, members in the order given; NaN and Infinity are refused."""
    return _ENCODER.encode(value)
