"""Delegation: each token that was made from another, hop by hop, with what every hop narrowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core import times
from nhictl.core.policy.algebra import regions
from nhictl.core.policy.box import box_from_mapping
from nhictl.core.replay.views.box_line import box_line

if TYPE_CHECKING:
    from nhictl.core.replay.authority.entities import Mark, Token
    from nhictl.core.replay.authority.fold import Authority


def delegation_chains(world: Authority) -> list[dict[str, Any]]:
    """A value for each token that nothing was made from and that was made from another: `{task, agent, jti, hops}`.

    `hops` begins with the token that was issued for the task. Each says `agent`, `jti`, `issued`, `expires`, `scope` (its
    boxes as text, null if not at hand), `revoked` (the record that ended it or one above), and `narrowed` against the hop
    before: `shorter_s` (seconds of life), `inside` (True, False, or null where that is not proved), `taken` (a call that
    the hop before allows and this one does not) and `added` (the other way round, which should not be).
    """
    made = []
    for token in world.tokens.values():
        if token.parent is not None and not world.children.get(token.jti):
            chain = list(world.chain(token))[::-1]
            top = [] if chain[0].parent is None else [_missing(chain[0].parent)]
            hops = [_hop(world, one, chain[n - 1] if n else None) for n, one in enumerate(chain)]
            made.append({"task": token.task, "agent": token.agent, "jti": token.jti, "hops": top + hops})
    return made


def _missing(jti: str) -> dict[str, Any]:
    return dict.fromkeys(("agent", "issued", "expires", "scope", "revoked", "narrowed")) | {"jti": jti, "missing": True}


def _hop(world: Authority, token: Token, before: Token | None) -> dict[str, Any]:
    scope = scope_of(world, token)
    ended: Mark | None = world.revocation(token)
    return {
        "agent": token.agent,
        "jti": token.jti,
        "issued": token.issued.ref(),
        "expires": None if token.expires_us is None else times.rfc3339(token.expires_us),
        "scope": None if scope is None else [box_line(box) for box in scope],
        "revoked": None if ended is None else ended.ref(),
        "narrowed": None if before is None else _narrowed(world, token, before),
    }


def scope_of(world: Authority, token: Token) -> list[Any] | None:
    """The boxes of a token: its own if it was delegated, else its task's; None: not at hand."""
    if token.delegated:
        return token.scope
    task = world.tasks.get(token.task or "")
    return task.scope if task is not None else None


def _narrowed(world: Authority, token: Token, before: Token) -> dict[str, Any]:
    made: dict[str, Any] = {"shorter_s": None, "inside": None, "taken": None, "added": None}
    if token.expires_us is not None and before.expires_us is not None:
        made["shorter_s"] = (before.expires_us - token.expires_us) // 1_000_000
    inner, outer = scope_of(world, token), scope_of(world, before)
    if inner is None or outer is None:
        return made
    mine, theirs = (regions.union(box_from_mapping(box, stored=True) for box in scope) for scope in (inner, outer))
    inside, back = regions.subset(mine, theirs), regions.subset(theirs, mine)
    made["inside"] = inside.holds
    made["taken"] = back.witness.to_json() if back.witness is not None else None
    made["added"] = inside.witness.to_json() if inside.witness is not None else None
    return made
