"""Agents as the policy sees them, and the agents file that `agent apply` and `--registry` share (contract §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nhictl.core.policy.instant import parse_instant
from nhictl.core.policy.resource import Refused
from nhictl.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nhictl.core.policy.yaml_events import Node

__all__ = ["STATES", "Agent", "Registry", "agent_name", "located_agents", "parse_agents", "parse_expiry"]

STATES = ("active", "suspended", "retired")
_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")
_ENDS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_KEYS = ("name", "owner", "purpose", "env", "trust", "groups", "labels", "expires", "attested", "aliases")


class Agent:
    """A registered agent's attributes; `trust` is 0 to 3, `expires_us` the first microsecond (UTC) at which it is
    dead.
    """

    __slots__ = (
        "aliases", "attested", "env", "expires_us", "groups", "labels", "name", "owner", "purpose", "state", "trust",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        owner: str,
        purpose: str,
        env: str | None = None,
        trust: int = 0,
        groups: Iterable[str] = (),
        labels: dict[str, str] | None = None,
        state: str = "active",
        expires_us: int | None = None,
        *,
        attested: bool = False,
        aliases: Iterable[str] = (),
    ) -> None:
        self.name = name
        self.owner = owner
        self.purpose = purpose
        self.env = env
        self.trust = trust
        self.groups = tuple(sorted(set(groups)))
        self.labels = dict(labels or {})
        self.state = state
        self.expires_us = expires_us
        self.attested = attested
        self.aliases = tuple(sorted(set(aliases)))

    def to_mapping(self) -> dict[str, object]:
        """Return the attributes as JSON, those that are unset left out."""
        made: dict[str, object] = {}
        for key in ("name", "owner", "purpose", "env", "trust", "state", "expires_us", "attested"):
            value = getattr(self, key)
            if value is not None:
                made[key] = value
        return {**made, "groups": list(self.groups), "labels": dict(self.labels), "aliases": list(self.aliases)}


class Registry:
    """Agents by name and alias."""

    __slots__ = ("agents",)

    def __init__(self, agents: Iterable[Agent]) -> None:
        self.agents: dict[str, Agent] = {}
        for agent in agents:
            for key in (agent.name, *agent.aliases):
                if key in self.agents:
                    raise InputError(f"two agents are called `{key}`")
                self.agents[key] = agent

    def find(self, name_or_alias: str) -> Agent | None:
        """Return the agent of that name or alias, None if there is none."""
        return self.agents.get(name_or_alias)


def agent_name(value: str) -> str:
    """Return `value` if it can name an agent: 1 to 64 of `a-z 0-9 . _ -`, a letter or digit at both ends; raise
    `Refused`.
    """
    if not 1 <= len(value) <= 64 or not _NAME.issuperset(value) or value[0] not in _ENDS or value[-1] not in _ENDS:
        raise Refused("is no agent name: 1 to 64 of a-z, 0-9, `.`, `_`, `-`, with a letter or digit at both ends")
    return value


def parse_expiry(value: str) -> int:
    """Return the instant at which something expires: an RFC 3339 date-time, or a date, which ends at its start in UTC."""
    return parse_instant(value if len(value) > 10 else f"{value}T00:00:00Z")


def parse_agents(file: str, data: bytes) -> list[Agent]:
    """Read `{nhictl_agents: 1, agents: […]}`; raise `InputError` at the first fault, with its place."""
    return [agent for agent, _ in located_agents(file, data)]


def located_agents(file: str, data: bytes) -> list[tuple[Agent, Node]]:
    """Read the same, each agent with the mapping it was read from."""
    from nhictl.core.policy import reading

    root = reading.one_mapping(file, data, "an agents file")
    reading.version(root, "nhictl_agents")
    reading.entries(root, ("nhictl_agents", "agents"), what="an agents file")
    reading.require(root, ("agents",), what="an agents file")
    made: list[tuple[Agent, Node]] = []
    seen: set[str] = set()
    for node in reading.items(root.value["agents"], what="`agents`"):
        agent = _agent(node)
        for key, place in [(agent.name, node.value["name"])] + [(a.value, a) for a in _alias_nodes(node)]:
            if key in seen:
                raise place.error(f"two agents are called `{key}`")
            seen.add(key)
        made.append((agent, node))
    return made


def _alias_nodes(node: Node) -> list[Node]:
    found: list[Node] = node.value["aliases"].value if "aliases" in node.value else []
    return found


def _agent(node: Node) -> Agent:
    from nhictl.core.policy import reading

    fields = reading.entries(node, _KEYS, what="an agent")
    reading.require(node, ("name", "owner", "purpose"), what="an agent")
    name = reading.text(fields["name"], what="`name`")
    try:
        agent_name(name)
    except Refused as e:
        raise fields["name"].error(f"`{name}` {e}") from e
    trust = fields["trust"].value if "trust" in fields else 0
    if type(trust) is not int or not 0 <= trust <= 3:
        raise fields["trust"].error("`trust` must be 0, 1, 2 or 3")
    return Agent(
        name,
        reading.text(fields["owner"], what="`owner`"),
        reading.text(fields["purpose"], what="`purpose`"),
        reading.name(fields["env"], what="`env`") if "env" in fields else None,
        trust,
        reading.names(fields["groups"], what="`groups`") if "groups" in fields else (),
        _labels(fields["labels"]) if "labels" in fields else {},
        expires_us=_expires(fields["expires"]) if "expires" in fields else None,
        attested=reading.flag(fields["attested"], what="`attested`") if "attested" in fields else False,
        aliases=reading.names(fields["aliases"], what="`aliases`") if "aliases" in fields else (),
    )


def _labels(node: Node) -> dict[str, str]:
    from nhictl.core.policy import reading

    fields = reading.entries(node, None, what="`labels`")
    return {key: reading.text(value, what=f"label `{key}`") for key, value in sorted(fields.items())}


def _expires(node: Node) -> int:
    from nhictl.core.policy import reading

    value = reading.text(node, what="`expires`")
    try:
        return parse_expiry(value)
    except Refused as e:
        hint = "a file says when, not how long from some moment: write a date or an RFC 3339 date-time"
        raise node.error(f"`expires` {e}", hint=hint) from e
