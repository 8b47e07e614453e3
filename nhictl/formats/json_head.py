"""The members of a JSON object of which perhaps only the beginning is at hand, for telling formats apart."""

from __future__ import annotations

import json
from typing import Any, Final

LIST: Final = object()
"""Stands for a list whose end is not at hand."""

_BLANK: Final = " \t\r\n"
_DECODER: Final = json.JSONDecoder()


class CutError(ValueError):
    """The bytes do not begin a JSON object."""


class Members(dict[str, Any]):
    """Members by name; `cut` if the object goes on after the bytes at hand. The last may be None for not all there."""

    cut = False


def members(head: bytes) -> Members:
    """Return the members of the object that `head` begins with; raise CutError if it begins with no object.

    A byte order mark is passed over: whoever reads the file can then refuse it for that and by name.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise CutError
    found = Members()
    try:
        while True:
            at = _skip(text, at + 1)
            if text[at : at + 1] == "}":
                return found
            name, at = _DECODER.raw_decode(text, at)
            at = _skip(text, at)
            if not isinstance(name, str) or text[at : at + 1] not in (":", ""):
                raise CutError
            at = _skip(text, at + 1)
            if at < len(text):
                found[name] = LIST if text[at] == "[" else None
            found[name], at = _value(text, at)
            at = _skip(text, at)
            if text[at : at + 1] == "}":
                return found
            if text[at : at + 1] not in (",", ""):
                raise CutError
    except (json.JSONDecodeError, RecursionError):
        found.cut = True
        return found


def _value(text: str, at: int) -> tuple[Any, int]:
    """Decode one value; a list is only known to be one, whatever it holds."""
    value, end = _DECODER.raw_decode(text, at)
    return (LIST if isinstance(value, list) else value), end


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] and text[at] in _BLANK:
        at += 1
    return at
