"""`agent register`: a new identity with an accountable owner, and a public key of its own if one is given or made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from nhictl.core import strict_json, times
from nhictl.core.identity import attributes, spiffe
from nhictl.errors import ConflictError, InputError
from nhictl.ops import agent_keys, agents, frozen
from nhictl.ops.act import Act, Head, transact
from nhictl.ops.house import House
from nhictl.store import agents as table
from nhictl.store import belongings


class Registration(NamedTuple):
    """What is asked for: owner and purpose are mandatory, the rest narrows or describes."""

    name: str
    owner: str
    purpose: str
    env: str | None = None
    trust: int = 0
    groups: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    expires_s: int | None = None

    def attributes(self, now_us: int) -> dict[str, Any]:
        """The attributes in their normal form, with the expiry counted from `now_us`."""
        given = self._asdict() | {"labels": dict(self.labels)}
        if self.expires_s is not None:
            given["expires_us"] = expiry(now_us, self.expires_s)
        return attributes.normal(given)


def expiry(now_us: int, seconds: int) -> int:
    """The moment `seconds` from now; InputError if the calendar has none."""
    moment = now_us + seconds * 1_000_000
    try:
        times.rfc3339(moment)
    except OverflowError as e:
        raise InputError("an expiry lies in the years 1 to 9999", code="usage") from e
    return moment


def check(attrs: dict[str, Any], names: Iterable[str] = attributes.ATTRIBUTES) -> None:
    """InputError (2) for the first attribute of those named that is out of its limits."""
    if found := attributes.first_fault(attrs, names):
        raise InputError(found[2], code=found[1])


def register(
    house: House, asked: Registration, key: agent_keys.OwnKey | None = None, target: agent_keys.Target | None = None
) -> tuple[dict[str, Any], Head]:
    """Register and return the agent; ConflictError (5) if the name is taken, now or ever before, or the key is, or
    if the environment or a group is frozen.

    A key that was made here goes to `target`, once: if it cannot be written, nobody was registered.
    """
    if why := spiffe.name_fault(asked.name):
        raise InputError(f"`{asked.name}` is no agent name: {why}", code="invalid_name")
    check(asked.attributes(0))

    def decide(act: Act) -> dict[str, Any]:
        refuse_alias(act, asked.name)
        add(act, asked.name, asked.attributes(act.now_us), key)
        delivery.write()
        return agents.to_json(act.house, agents.find(act.house, asked.name), act.now_us)

    with agent_keys.Delivery(key, target) as delivery:
        return transact(house, decide)


def add(act: Act, name: str, attrs: dict[str, Any], key: agent_keys.OwnKey | None) -> None:
    """Register inside an act, with one record: name and attributes have been checked, the aliases are free."""
    if table.by_name(act.db, name) is not None:
        raise ConflictError(f"agent `{name}` exists already", code="agent_exists", hint="names are never reused")
    frozen.refuse_joining(act, name, attrs)
    if key is not None:
        agent_keys.check_free(act, key)
    shown: dict[str, Any] = {k: attrs[k] for k in ("owner", "env", "trust", "groups", "labels", "attested")}
    if attrs["aliases"]:
        shown["aliases"] = attrs["aliases"]
    own = {"kid": key.kid if key else None, "jwk": key.public if key else None}
    shown |= own
    if attrs["expires_us"] is not None:
        shown["expires"] = times.rfc3339(attrs["expires_us"])
    shown["spiffe_id"] = spiffe.agent_id(act.house.meta["trust_domain"], name)
    seq = act.record("agent.registered", agent=name, sealed={"purpose": attrs["purpose"]}, ext=shown)
    ident = table.add(act.db, name, seq, "active", strict_json.dumps({**attrs, **own, "old_keys": []}))
    belongings.set_aliases(act.db, ident, seq, (), attrs["aliases"])
    if key is not None:
        agent_keys.claim(act, key, ident, seq)


def refuse_alias(act: Act, name: str) -> None:
    """ConflictError (5) if a living agent goes by `name` as an alias: one name would mean two."""
    ident = belongings.by_alias(act.db, name)
    row = table.by_id(act.db, ident) if ident is not None else None
    if row is not None and row.state != "retired" and row.name != name:
        raise ConflictError(f"`{name}` is an alias of agent `{row.name}`", code="alias_taken")
