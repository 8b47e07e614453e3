"""JSON as the program prints it: non-ASCII kept, what could act on a terminal written as escapes.

Two lone surrogates in a row that would form a pair are one character once parsed: JSON cannot tell them apart.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nhictl.render.escape import json_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Made once: `json.dumps` with options makes an encoder for each call, which doubles the time of a JSONL line.
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def compact(value: Any) -> str:
    """Return the value on one line without blanks; NaN and infinity raise `ValueError`, as JSON has neither."""
    return json_text(_COMPACT.encode(value))


def indented(value: Any) -> str:
    """Return the value indented by two, for people at a terminal."""
    return json_text(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False))


def streamed(head: dict[str, Any], key: str, items: Iterable[Any]) -> Iterator[str]:
    """Yield the pieces of the compact object `head` with one more member, an array, item by item.

    `head` is not empty: it has at least its schema.
    """
    yield compact(head)[:-1] + "," + compact(key) + ":["
    between = ""
    for item in items:
        yield between + compact(item)
        between = ","
    yield "]}"
