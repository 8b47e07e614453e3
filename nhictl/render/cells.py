"""From a value to the text of a cell, before any escaping."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nhictl.render.json_text import compact
from nhictl.render.result import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NOTHING = "–"


def is_number(value: Any) -> bool:
    """Whether the value is a finite number; a text that looks like one is not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _scalar(value: Any, words: tuple[str, str, str]) -> str:
    none, true, false = words
    if value is None:
        return none
    if isinstance(value, bool):
        return true if value else false
    return value if isinstance(value, str) else str(value)


def _text(value: Any, words: tuple[str, str, str]) -> str:
    if isinstance(value, set | frozenset):
        value = sorted(value, key=str)
    if isinstance(value, dict):
        return compact(value)
    if isinstance(value, list | tuple):
        if any(isinstance(item, dict | list | tuple) for item in value):
            return compact(value)
        return ", ".join(_scalar(item, words) for item in value)
    return _scalar(value, words)


def machine(value: Any) -> str:
    """Return the text for CSV and TSV: None empty, booleans as in JSON, lists joined, nested values as compact JSON."""
    return _text(value, ("", "true", "false"))


def human(value: Any, nothing: str = NOTHING) -> str:
    """Return the text for people: the same with yes and no, and a dash (or `nothing`) where there is no value."""
    return _text(value, (nothing, "yes", "no"))


def checked(table: Table) -> Iterator[Sequence[Any]]:
    """Yield the rows; raise `ValueError` at one that is longer or shorter than the header."""
    width = len(table.columns)
    for row in table.rows:
        if len(row) != width:
            raise ValueError(f"a row of {len(row)} cells under {width} columns")
        yield row


def listing(data: dict[str, Any]) -> Table:
    """Return the two-column table that stands for an object which brought no table of its own."""
    return Table(("key", "value"), data.items())
