"""What operations on agents share: the registered attributes as a value, lookups, keys, JSON."""

from __future__ import annotations

import json
from typing import Any

from nhictl.core import times
from nhictl.core.identity import spiffe
from nhictl.errors import NotFoundError
from nhictl.ops.house import House
from nhictl.store import agents as table
from nhictl.store import belongings, docs, log, sqlite


def below_of(house: House, at_us: int | None) -> int:
    """The number of records there were at a moment; all there are for None."""
    return table.LATEST if at_us is None else log.size_at(house.db, at_us)


def state_at(row: table.AgentRow, at_us: int) -> str:
    """`active`, `suspended`, `retired`, or `expired` once its expiry has passed."""
    expires = docs.read(row.doc).get("expires_us")
    return "expired" if row.state == "active" and expires is not None and at_us >= expires else row.state


def find(house: House, name: str, below: int = table.LATEST) -> table.AgentRow:
    """The agent of that name or SPIFFE ID; NotFoundError (exit 4). An alias names it for policy questions only."""
    row = _named(house, name, below)
    if row is None:
        raise NotFoundError(f"no agent `{name}`", code="agent_unknown", hint="nhictl agent list")
    return row


def _named(house: House, name: str, below: int) -> table.AgentRow | None:
    return table.by_name(house.db, spiffe.agent_name(name, house.meta["trust_domain"]) or name, below)


def known_as(house: House, name: str, below: int = table.LATEST) -> table.AgentRow | None:
    """The agent of that name, SPIFFE ID or alias, tried in this order; None if there is none."""
    row = _named(house, name, below)
    if row is None and (ident := belongings.by_alias(house.db, name, below)) is not None:
        row = table.by_id(house.db, ident, below)
    return row


def keys_at(row: table.AgentRow, at_us: int) -> list[dict[str, Any]]:
    """The agent's own keys, the current one first: `kid`, `jwk`, `until_us` (None: no end) and `state`.

    `state` is `current`, `overlap` (replaced, and good until then) or `ended`; only an ended one verifies nothing.
    """
    doc = json.loads(row.doc)
    found = [{**old, "state": "overlap" if at_us < old["until_us"] else "ended"} for old in doc.get("old_keys", ())]
    if doc["jwk"] is not None:
        found.insert(0, {"kid": doc["kid"], "jwk": doc["jwk"], "until_us": None, "state": "current"})
    return found


def to_json(
    house: House, row: table.AgentRow, at_us: int, below: int = table.LATEST, stopped: list[str] | None = None
) -> dict[str, Any]:
    """The agent as `nhictl.agent/v1` shows it; `stopped` are its suspended instances where they are known already.

    `frozen` names the freezes that hold it, and is left out where there are none.
    """
    doc = json.loads(row.doc)
    if stopped is None:
        stopped = belongings.suspended(house.db, below).get(row.id, [])
    expires = doc.get("expires_us")
    return {
        "name": row.name,
        "spiffe_id": spiffe.agent_id(house.meta["trust_domain"], row.name),
        "state": state_at(row, at_us),
        **{name: doc[name] for name in ("owner", "purpose", "env", "trust", "groups", "labels", "attested")},
        "aliases": doc.get("aliases", []),
        "kid": doc["kid"],
        "jwk": doc["jwk"],
        "keys": [
            {"kid": key["kid"], "state": key["state"], "until": _moment(key["until_us"])} for key in keys_at(row, at_us)
        ],
        "expires": _moment(expires),
        "suspended_instances": stopped,
        **({"frozen": held} if (held := _held(house, row.name, doc, below)) else {}),
    }


def _held(house: House, name: str, doc: dict[str, Any], below: int) -> list[str]:
    from nhictl.store import freezes

    found = freezes.in_force(house.db, below)
    return [f"{one.kind} {one.value}".rstrip() for one in found if one.covers(name, doc["env"], doc["groups"])]


def _moment(at_us: int | None) -> str | None:
    return times.rfc3339(at_us) if at_us is not None else None


def show(house: House, name: str, at_us: int | None = None) -> dict[str, Any]:
    """One agent now or at a moment."""
    with sqlite.guarded("read the agents"):
        below = below_of(house, at_us)
        return to_json(house, find(house, name, below), house.clock() if at_us is None else at_us, below)


def everyone(house: House, at_us: int | None = None) -> list[dict[str, Any]]:
    """All agents now or at a moment, by name."""
    now = house.clock() if at_us is None else at_us
    with sqlite.guarded("read the agents"):
        below = below_of(house, at_us)
        stopped = belongings.suspended(house.db, below)
        return [to_json(house, row, now, below, stopped.get(row.id, [])) for row in table.everyone(house.db, below)]
