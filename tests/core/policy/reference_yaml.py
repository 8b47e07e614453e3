"""A second strict reader, as plain as it can be: recursive descent over the parser's events, every place noted at once.

It shares nothing with `yaml_events` but the parser, the words of errors and the normal form of numbers.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import yaml

from nhictl.core.policy.types import Refused, exact

Read = tuple[Any, int, int]
"""A value with line and column: a mapping is `{key: (place of the key, value)}`."""


class WrongError(Exception):
    """What the reader has to say, and where."""


class _Events:
    """The parser's events, one ahead: what stands before a fault in the text is seen before the fault."""

    def __init__(self, text: str) -> None:
        self._all = yaml.parse(text, Loader=yaml.CLoader)
        self.next: Any = next(self._all)

    def take(self) -> Any:
        taken, self.next = self.next, None if isinstance(self.next, yaml.StreamEndEvent) else next(self._all)
        return taken


def read(text: str) -> Read:
    """The one document, or `WrongError(message, line, column)`; what is not YAML: the parser's own error."""
    found, events = None, _Events(text)
    events.take()
    while not isinstance(events.next, yaml.StreamEndEvent):
        start = events.next
        if found is not None:
            raise _wrong(start, "more than one document")
        if start.version or start.tags:
            raise _wrong(start, "a directive is not allowed")
        events.take()
        found = _value(events, 0)
        events.take()
        events.take()
    if found is None:
        raise WrongError("empty document", 1, 1)
    return found


def _wrong(event: Any, message: str) -> WrongError:
    return WrongError(message, event.start_mark.line + 1, event.start_mark.column + 1)


def _value(events: _Events, depth: int, *, key: bool = False) -> Read:
    """The value that begins with the next event; its last event is left for the caller to take."""
    event = events.next
    place = (event.start_mark.line + 1, event.start_mark.column + 1)
    if isinstance(event, yaml.AliasEvent):
        raise _wrong(event, "an alias is not allowed")
    if event.anchor is not None:
        raise _wrong(event, "an anchor is not allowed")
    if event.tag is not None:
        raise _wrong(event, "a tag is not allowed")
    if isinstance(event, yaml.ScalarEvent):
        value = _scalar(event)
        if key and not isinstance(value, str):
            raise _wrong(event, "a key must be a string")
        if key and value == "<<":
            raise _wrong(event, "a merge key is not allowed")
        return (value, *place)
    if key:
        raise _wrong(event, "a key must be a string")
    if depth >= 32:
        raise _wrong(event, "nested deeper than 32")
    events.take()
    if isinstance(event, yaml.SequenceStartEvent):
        items = []
        while not isinstance(events.next, yaml.SequenceEndEvent):
            items.append(_value(events, depth + 1))
            events.take()
        return (items, *place)
    members: dict[str, Any] = {}
    while not isinstance(events.next, yaml.MappingEndEvent):
        name, line, column = _value(events, depth + 1, key=True)
        if name in members:
            raise _wrong(events.next, f"duplicate key `{name}`")
        events.take()
        members[name] = ((line, column), _value(events, depth + 1))
        events.take()
    return (members, *place)


def _scalar(event: Any) -> Any:
    text = event.value
    if event.style:
        if any((ord(c) < 32 and c not in "\t\n\r") or 127 <= ord(c) < 160 for c in text):
            raise _wrong(event, "control character in a string")
        return text
    if text in {"", "~", "null", "Null", "NULL"}:
        return None
    if text.lower() in {"true", "false"} and text in {text.lower(), text.title(), text.upper()}:
        return text.lower() == "true"
    return _number(event, text)


def _number(event: Any, text: str) -> Any:
    bare = text[1:] if text[0] in "+-" else text
    signed = bare is not text
    if bare[:1] == "0" and bare[1:2] and (set(bare[1:]) <= set("0123456789")):
        raise _wrong(event, "ambiguous number")
    if bare[:2] in {"0x", "0o", "0b"} and bare[2:] and set(bare[2:]) <= set("0123456789abcdefABCDEF_"):
        raise _wrong(event, "ambiguous number")
    if bare in {".inf", ".Inf", ".INF"} or (not signed and bare in {".nan", ".NaN", ".NAN"}):
        raise _wrong(event, "ambiguous number")
    mantissa, mark, exponent = bare.lower().partition("e")
    whole, _, part = mantissa.partition(".")
    digits = set("0123456789")
    signless = exponent[1:] if exponent[:1] in {"+", "-"} else exponent
    if not (set(whole) <= digits and set(part) <= digits and (whole or part) and mantissa.count(".") < 2):
        return text
    if mark and not (0 < len(signless) <= 4 and set(signless) <= digits):
        return text
    try:
        return exact(Decimal(text)) if len(text) < 120 else exact(10**50)
    except Refused as e:
        raise _wrong(event, f"number {e}") from e
