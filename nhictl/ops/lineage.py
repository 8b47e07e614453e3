"""Where a delegated token comes from: the chain of tokens above it, who holds them, and what each of them allows.

Whatever ends a token ends all that were made from it: revocation, cut-offs of the task, of its agent and of every agent
in between, suspension or end of any of them. A use is taken from every token above that has a limit. Nothing of this is
looked at for tokens that were issued directly.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from nhictl.core.token import b64, state
from nhictl.ops import agents, frozen
from nhictl.ops.house import House
from nhictl.store import agents as agent_table
from nhictl.store import belongings, cuts, delegations, work

LATEST = agent_table.LATEST


class Lineage(NamedTuple):
    """The chain above a delegated token, its own link first; `actors` as registered, `scopes` what every token above
    allows, the task's own included, and `uses` the rows of tokens that a use is taken from.
    """

    links: tuple[delegations.Link, ...]
    actors: tuple[agent_table.AgentRow, ...]
    scopes: tuple[list[dict[str, Any]], ...]
    uses: tuple[int, ...]

    @property
    def names(self) -> list[str]:
        """Who acts and acted, the current one first."""
        return [actor.name for actor in self.actors]

    @property
    def parent(self) -> bytes | None:
        """The jti of the token it was made from, if that one was delegated itself."""
        return self.links[1].jti if len(self.links) > 1 else None


def read(
    house: House, facts: state.Facts, mine: dict[str, Any], row: work.TokenRow, task: work.TaskRow | None, now_us: int,
    below: int,
) -> tuple[state.Facts, Lineage | None]:  # fmt: skip
    """The facts of a token with a chain of actors, and the chain; a token whose chain is not ours counts as another one."""
    links, root = delegations.chain(house.db, row.id)
    found = [agent_table.by_id(house.db, link.actor, below) for link in links]
    actors = tuple(actor for actor in found if actor is not None)
    if root is None or task is None or len(actors) < len(links) or _said(mine) != [a.name for a in actors]:
        return facts._replace(digest_ok=False), None
    doc = json.loads(task.doc)
    above: list[delegations.Link | delegations.Root] = [*links, root]
    limits = {each.token: each.uses for each in above if each.uses is not None}
    states = tuple(
        (actor.name, _standing(house, actor, link.instance, now_us, below))
        for actor, link in zip(actors, links, strict=True)
    )
    stopped = belongings.is_suspended(house.db, task.agent, root.instance, below)
    ended = facts.token == "revoked" or _ended(house, above, below) is not None  # noqa: S105  # a state word
    made = facts._replace(
        token="revoked" if ended else facts.token,
        uses=min(limits.values(), default=None), stopped=root.instance if stopped else None, actors=states,
    )  # fmt: skip
    scopes = (*(json.loads(link.scope) for link in links), doc["scope"])
    return made, Lineage(tuple(links), actors, scopes, tuple(limits))


def _said(mine: dict[str, Any]) -> list[str]:
    """The names in the claims' chain, whatever else it is."""
    found: list[str] = []
    act = mine.get("act")
    while isinstance(act, dict) and len(found) < 64:
        sub = act.get("sub")
        found.append(sub.rpartition("/")[2] if isinstance(sub, str) else "")
        act = act.get("act")
    return found


def _standing(house: House, actor: agent_table.AgentRow, instance: str, now_us: int, below: int) -> str:
    word = agents.state_at(actor, now_us)
    if word == "active" and belongings.is_suspended(house.db, actor.id, instance, below):
        return f"suspended in its instance `{instance}`"
    if word == "active" and (freeze := frozen.by(house, actor, below)) is not None:
        return f"frozen, by the freeze of {freeze}"
    return word


class Ancestry(NamedTuple):
    """Of a delegated token: the jti it was made from, who acts and acted, the record that ended a token above it, whether
    all actors are active, and the instance that the task was opened by.
    """

    parent: str
    act: list[str]
    ended: int | None
    active: bool
    instance: str


def of(house: House, row: work.TokenRow, at_us: int, below: int) -> Ancestry | None:
    """The ancestry of a token as of a moment; None for one that was issued directly."""
    links, root = delegations.chain(house.db, row.id)
    if root is None:
        return None
    found = [agent_table.by_id(house.db, link.actor, below) for link in links]
    states = [
        _standing(house, actor, link.instance, at_us, below) if actor is not None else "unknown"
        for actor, link in zip(found, links, strict=True)
    ]
    above = links[1].jti if len(links) > 1 else root.jti
    ended = _ended(house, [*links, root], below)
    names = [actor.name for actor in found if actor is not None]
    return Ancestry(b64.encode(above), names, ended, all(state == "active" for state in states), root.instance)


def _ended(
    house: House, above: list[delegations.Link | delegations.Root], below: int
) -> int | None:  # fmt: skip
    """The first record that ended the token or any above it: revoked, or or cut off, as any token or with its holder."""
    found: list[int | None] = []
    for each in above:
        found.append(each.revoked if each.revoked is not None and each.revoked < below else None)
        if work.later(house.db, each.seq, below)[0]:
            found.append(cuts.first(house.db, each.token, below))
        if isinstance(each, delegations.Link):
            found.append(delegations.actor_cut(house.db, each, below))
    return min((seq for seq in found if seq is not None), default=None)


def ended(house: House, token: int, below: int = LATEST) -> bool:
    """Whether the delegated token of that row id, or any above it, was ended within the first `below` records."""
    links, root = delegations.chain(house.db, token)
    return root is not None and _ended(house, [*links, root], below) is not None
