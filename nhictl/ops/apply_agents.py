"""`agent apply`: the agents file says how agents shall be; what differs is brought there in one act, or nothing is.

A listed agent's attributes are exactly those of the file: what the file leaves out is at its default. Keys, state and
agents that are not listed are left alone; nothing is ever retired because a line is missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from nhictl.core.identity import attributes, spiffe
from nhictl.errors import ConflictError
from nhictl.ops import register_agent, update_agent
from nhictl.ops.act import Act, Head, transact, wrong_state
from nhictl.ops.house import House
from nhictl.store import agents as table
from nhictl.store import sqlite

if TYPE_CHECKING:
    from nhictl.core.policy.yaml_events import Node


class Wanted(NamedTuple):
    """One agent of the file: its name and its attributes in their normal form."""

    name: str
    attributes: dict[str, Any]


class Change(NamedTuple):
    """What one agent needs: the row there is (None: to be registered), and old and new value by attribute."""

    wanted: Wanted
    row: table.AgentRow | None
    changed: dict[str, tuple[Any, Any]]

    def to_json(self) -> dict[str, Any]:
        """`{"agent","action","changed":{NAME:{"from","to"}}}`; a new agent's attributes come from null."""
        return {
            "agent": self.wanted.name,
            "action": "register" if self.row is None else "update",
            "changed": {
                update_agent.SHOWN.get(name, name): {
                    "from": update_agent.shown(name, old), "to": update_agent.shown(name, new),
                }
                for name, (old, new) in self.changed.items()
            },
        }  # fmt: skip


def read(file: str, data: bytes) -> list[Wanted]:
    """The agents of a file; InputError (2) with file, line and column at the first fault, the limits of `register` too."""
    from nhictl.core.policy.registry import located_agents

    found = []
    for agent, node in located_agents(file, data):
        attrs = attributes.normal({name: getattr(agent, name) for name in attributes.ATTRIBUTES})
        if fault := attributes.first_fault(attrs):
            raise _place(node, fault[0]).error(fault[2])
        found.append(Wanted(agent.name, attrs))
    return found


def _place(node: Node, attribute: str) -> Node:
    """Where in the file an attribute stands."""
    place: Node = node.value.get(update_agent.SHOWN.get(attribute, attribute), node)
    return place


def plan(rows: Iterable[table.AgentRow], wanted: list[Wanted], trust_domain: str) -> list[Change]:
    """What has to change; ConflictError (5) for a retired agent, or an alias or name that already means another."""
    known = {row.name: row for row in rows}
    listed = {one.name for one in wanted}
    taken = {
        alias: row.name
        for row in known.values() if row.name not in listed and row.state != "retired"
        for alias in update_agent.known(row)["aliases"]
    }  # fmt: skip
    changes = []
    for one in wanted:
        row = known.get(one.name)
        if row is not None and row.state == "retired":
            raise wrong_state("agent", row.name, row.state, "names are never reused: take it out of the file")
        for text in (one.name, *one.attributes["aliases"]):
            owner = taken.get(text) or _named(text, known, trust_domain)
            if owner is not None and owner != one.name:
                raise ConflictError(f"`{text}` of agent `{one.name}` means agent `{owner}`", code="alias_taken")
        if row is None:
            changes.append(Change(one, None, {name: (None, value) for name, value in one.attributes.items()}))
        elif changed := attributes.differences(update_agent.known(row), one.attributes):
            changes.append(Change(one, row, changed))
    return changes


def _named(text: str, known: dict[str, table.AgentRow], trust_domain: str) -> str | None:
    """The agent that `text` names by its own name or SPIFFE ID; one of this trust domain, also if not registered yet."""
    return text if text in known else spiffe.agent_name(text, trust_domain)


def dry_run(house: House, wanted: list[Wanted]) -> list[Change]:
    """What `apply` would change. Writes nothing."""
    with sqlite.guarded("read the agents"):
        return plan(table.everyone(house.db), wanted, house.meta["trust_domain"])


def apply(house: House, wanted: list[Wanted]) -> tuple[list[Change], Head]:
    """Bring the agents to what is wanted, one record each, all or none; no record if nothing differs."""

    def decide(act: Act) -> list[Change]:
        changes = plan(table.everyone(act.db), wanted, act.house.meta["trust_domain"])
        for change in changes:
            if change.row is None:
                register_agent.add(act, change.wanted.name, change.wanted.attributes, None)
            else:
                update_agent.write(act, change.row, change.wanted.attributes, change.changed)
        return changes

    return transact(house, decide, may_rest=True)
