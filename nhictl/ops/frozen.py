"""Who is frozen, and what a frozen agent is refused: whatever would give it authority, and every way out of the freeze."""

from __future__ import annotations

import json
from typing import Any

from nhictl.errors import ConflictError
from nhictl.ops.act import Act
from nhictl.ops.house import House
from nhictl.store import agents as table
from nhictl.store import freezes
from nhictl.store.freezes import Freeze

LATEST = table.LATEST
HELD = ("env", "groups")
"""The attributes that a frozen agent keeps: a freeze may go by them."""


def by(house: House, row: table.AgentRow, below: int = LATEST) -> Freeze | None:
    """The oldest freeze that holds an agent as of the first `below` records, None if it is free."""
    found = freezes.in_force(house.db, below)
    return _first(found, row.name, json.loads(row.doc)) if found else None


def _first(found: list[Freeze], name: str, attrs: dict[str, Any]) -> Freeze | None:
    return next((one for one in found if one.covers(name, attrs["env"], attrs["groups"])), None)


def refuse(place: Act | House, row: table.AgentRow) -> None:
    """ConflictError (5) if the agent is frozen. For every act that gives an agent something to act with."""
    if (freeze := by(place.house if isinstance(place, Act) else place, row)) is not None:
        raise error(f"agent `{row.name}` is frozen", freeze)


def refuse_joining(act: Act, name: str, attrs: dict[str, Any]) -> None:
    """ConflictError (5) if an agent of that name with those attributes would be a frozen one: nobody new comes in."""
    if (freeze := _first(freezes.in_force(act.db), name, attrs)) is not None:
        raise error(f"agent `{name}` would be frozen", freeze)


def refuse_moving(act: Act, row: table.AgentRow, after: dict[str, Any]) -> None:
    """ConflictError (5) if a frozen agent would change environment or groups, or another one would move into a freeze."""
    before = json.loads(row.doc)
    if all(before[name] == after[name] for name in HELD):
        return
    found = freezes.in_force(act.db)
    if (freeze := _first(found, row.name, before)) is not None:
        raise error(f"agent `{row.name}` is frozen: it keeps its environment and groups", freeze)
    if (freeze := _first(found, row.name, after)) is not None:
        raise error(f"agent `{row.name}` would be frozen", freeze)


def error(message: str, freeze: Freeze) -> ConflictError:
    """The error for what a freeze does not allow (exit 5)."""
    named = "--all" if freeze.kind == "all" else f"--{freeze.kind} {freeze.value}"
    return ConflictError(f"{message} (freeze of {freeze}, record {freeze.seq})", code="frozen",
                         hint=f"nhictl unfreeze {named}")  # fmt: skip
