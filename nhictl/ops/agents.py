"""What operations on agents share: the registered attributes as a value, lookups, JSON."""

from __future__ import annotations

import json
from typing import Any

from nhictl.core import times
from nhictl.core.identity import spiffe
from nhictl.errors import NotFoundError
from nhictl.ops.house import House
from nhictl.store import agents as table
from nhictl.store import log, sqlite


def below_of(house: House, at_us: int | None) -> int:
    """The number of records there were at a moment; all there are for None."""
    return table.LATEST if at_us is None else log.size_at(house.db, at_us)


def state_at(row: table.AgentRow, at_us: int) -> str:
    """`active`, `suspended`, `retired`, or `expired` once its expiry has passed."""
    expires = json.loads(row.doc).get("expires_us")
    return "expired" if row.state == "active" and expires is not None and at_us >= expires else row.state


def find(house: House, name: str, below: int = table.LATEST) -> table.AgentRow:
    """The agent of that name or SPIFFE ID; NotFoundError (exit 4)."""
    short = spiffe.agent_name(name, house.meta["trust_domain"]) or name
    row = table.by_name(house.db, short, below)
    if row is None:
        raise NotFoundError(f"no agent `{name}`", code="agent_unknown", hint="nhictl agent list")
    return row


def to_json(house: House, row: table.AgentRow, at_us: int) -> dict[str, Any]:
    """The agent as `nhictl.agent/v1` shows it."""
    doc = json.loads(row.doc)
    expires = doc.pop("expires_us", None)
    return {
        "name": row.name,
        "spiffe_id": spiffe.agent_id(house.meta["trust_domain"], row.name),
        "state": state_at(row, at_us),
        **doc,
        "expires": times.rfc3339(expires) if expires is not None else None,
    }


def show(house: House, name: str, at_us: int | None = None) -> dict[str, Any]:
    """One agent now or at a moment."""
    with sqlite.guarded("read the agents"):
        row = find(house, name, below_of(house, at_us))
    return to_json(house, row, house.clock() if at_us is None else at_us)


def everyone(house: House, at_us: int | None = None) -> list[dict[str, Any]]:
    """All agents now or at a moment, by name."""
    now = house.clock() if at_us is None else at_us
    with sqlite.guarded("read the agents"):
        rows = table.everyone(house.db, below_of(house, at_us))
    return [to_json(house, row, now) for row in rows]
