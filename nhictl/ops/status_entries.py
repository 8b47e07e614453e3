"""Entries of published status lists: which one a new token gets, and how the token and its record say so."""

from __future__ import annotations

from typing import Any, Final

from nhictl.errors import UnsafeError
from nhictl.ops.act import Act
from nhictl.store import status

SIZE: Final = 1 << 17
"""Entries of one list: many more than tokens, so that an entry says nothing about when its token was issued."""
FULL: Final = SIZE // 2
EARLY: Final = SIZE // 4
"""From so many used entries on a publisher begins the next list, so that it is served before it is needed."""
AGGREGATION: Final = "status/aggregation.json"


def path_of(number: int) -> str:
    """Where a list stands in a published folder, and below the issuer's address."""
    return f"status/{number}.jwt"


def begin(act: Act, seq: int) -> None:
    """Begin the first list, or the next one early; `seq` is the record of the publication."""
    if due(act):
        status.add_list(act.db, seq)


def due(act: Act) -> bool:
    """Whether a publication begins a list."""
    found = status.newest(act.db)
    return act.house.meta["issuer"].startswith("https://") and (found is None or found.used >= EARLY)


def draw(act: Act) -> tuple[int, int] | None:
    """A free entry as (list, index), None while no list was published."""
    found = status.newest(act.db)
    if found is None:
        return None
    number = found.number if found.used < FULL else status.add_list(act.db, act.seq)
    for _ in range(256):
        idx = int.from_bytes(act.house.random(4), "big") % SIZE
        if status.is_free(act.db, number, idx):
            return number, idx
    raise UnsafeError("the random source is stuck", code="random_source")


def claim(act: Act, entry: tuple[int, int] | None) -> dict[str, Any] | None:
    """The `status` claim of a token with that entry."""
    if entry is None:
        return None
    return {"status_list": {"idx": entry[1], "uri": f"{act.house.meta['issuer']}/{path_of(entry[0])}"}}


def describe(entry: tuple[int, int] | None) -> dict[str, Any]:
    """The member of a record's `ext` that says which entry a token has."""
    return {} if entry is None else {"status": list(entry)}
