"""`agent update`: what an agent is registered with changes in one act, and the record says what changed."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from nhictl.core import strict_json, times
from nhictl.core.identity import attributes
from nhictl.ops import agents, frozen
from nhictl.ops.act import Act, Head, transact, wrong_state
from nhictl.ops.house import House
from nhictl.ops.register_agent import check, expiry
from nhictl.store import agents as table
from nhictl.store import belongings

SHOWN: Final = {"expires_us": "expires"}
"""Attributes that are called otherwise where people read them."""


class Edit(NamedTuple):
    """What is to change; None leaves an attribute as it is. `groups` replaces all, before adding and removing."""

    owner: str | None = None
    purpose: str | None = None
    env: str | None = None
    no_env: bool = False
    trust: int | None = None
    groups: tuple[str, ...] | None = None
    add_groups: tuple[str, ...] = ()
    remove_groups: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    remove_labels: tuple[str, ...] = ()
    expires_s: int | None = None
    never_expires: bool = False
    attested: bool | None = None

    def applied(self, before: dict[str, Any], now_us: int) -> dict[str, Any]:
        """The attributes after the change, in their normal form."""
        after = dict(before)
        for name in ("owner", "purpose", "env", "trust", "attested"):
            if (value := getattr(self, name)) is not None:
                after[name] = value
        if self.no_env:
            after["env"] = None
        groups = before["groups"] if self.groups is None else self.groups
        after["groups"] = (set(groups) | set(self.add_groups)) - set(self.remove_groups)
        kept = {name: value for name, value in before["labels"].items() if name not in self.remove_labels}
        after["labels"] = kept | dict(self.labels)
        if self.never_expires:
            after["expires_us"] = None
        elif self.expires_s is not None:
            after["expires_us"] = expiry(now_us, self.expires_s)
        return attributes.normal(after)


def known(row: table.AgentRow) -> dict[str, Any]:
    """The attributes of a registered agent in their normal form."""
    return attributes.normal(json.loads(row.doc))


def shown(name: str, value: Any) -> Any:
    """An attribute's value as people and records see it."""
    return times.rfc3339(value) if name == "expires_us" and value is not None else value


def write(act: Act, row: table.AgentRow, after: dict[str, Any], changed: dict[str, tuple[Any, Any]]) -> None:
    """One record and one new version inside an act; the purpose is sealed, everything else is catalogue-like.

    ConflictError (5) if the agent would get out of a freeze, or into one.
    """
    frozen.refuse_moving(act, row, after)
    named = {SHOWN.get(name, name): shown(name, after[name]) for name in changed}
    sealed = {"purpose": after["purpose"]} if "purpose" in changed else None
    to = {name: value for name, value in named.items() if name != "purpose"}
    seq = act.record("agent.updated", agent=row.name, sealed=sealed, ext={"changed": list(named), "to": to})
    table.add_version(act.db, row.id, seq, row.state, strict_json.dumps(json.loads(row.doc) | after))
    if "aliases" in changed:
        belongings.set_aliases(act.db, row.id, seq, *changed["aliases"])


def update(house: House, name: str, edit: Edit) -> tuple[dict[str, Any], list[str], Head]:
    """Change and return the agent with the names of what changed: none, and no record, if it was all so already.

    NotFoundError (4), ConflictError (5) for a retired agent, InputError (2) for a value out of its limits. An agent
    that has expired is brought back by a later expiry.
    """

    def decide(act: Act) -> tuple[dict[str, Any], list[str]]:
        row = agents.find(act.house, name)
        if row.state == "retired":
            raise wrong_state("agent", row.name, row.state)
        before = known(row)
        after = edit.applied(before, act.now_us)
        changed = attributes.differences(before, after)
        if changed:
            check(after, changed)
            write(act, row, after, changed)
        now = agents.to_json(act.house, agents.find(act.house, row.name), act.now_us)
        return now, [SHOWN.get(attribute, attribute) for attribute in changed]

    (agent, names), head = transact(house, decide, may_rest=True)
    return agent, names, head
