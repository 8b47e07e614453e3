"""`freeze` and `unfreeze`: an agent, a group, an environment or everything stops at once, and goes on where it stood."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from nhictl.errors import ConflictError, InputError, NotFoundError, RefusedError
from nhictl.ops import agents, people, publish_trust, standing
from nhictl.ops.act import Act, Head, transact, wrong_state
from nhictl.ops.house import House
from nhictl.store import agents as table
from nhictl.store import freezes
from nhictl.store.cuts import Cut
from nhictl.store.freezes import Freeze

KINDS: Final = ("all", "agent", "group", "env")


class Frozen(NamedTuple):
    """What was frozen or unfrozen, how many agents that are not retired it covers, how many of their tokens it stopped
    or brought back, and the other freezes in force.
    """

    kind: str
    value: str
    agents: int
    live_tokens: int
    others: list[Freeze]


def freeze(house: House, kind: str, value: str, reason: str) -> tuple[Frozen, Head]:
    """From the commit on every check of a token of a covered agent answers `frozen`, and nothing new is given to it.

    NotFoundError (4) for an unknown agent, or a group or environment that no agent is in; ConflictError (5) for a
    retired agent, or if that very freeze is in force already.
    """
    _check(kind, value)

    def decide(act: Act) -> Frozen:
        name, covered = _covered(act, kind, value)
        found = freezes.in_force(act.db)
        for one in found:
            if (one.kind, one.value) == (kind, name):
                raise ConflictError(f"{one} is frozen already, by record {one.seq}", code="frozen")
        made = Frozen(kind, name, len(covered), _live(act, covered), found)
        freezes.add(act.db, kind, name, _record(act, "authority.frozen", made, reason))
        return made

    done = transact(house, decide, grants=False)
    publish_trust.spread(house)
    return done


def unfreeze(
    house: House, kind: str, value: str, reason: str | None, signer: people.Signer | None = None
) -> tuple[Frozen, Head]:  # fmt: skip
    """Lift one freeze: tokens are good again that nothing else ended, and that no other freeze holds.

    NotFoundError (4) if there is no such freeze; RefusedError (1) for whoever may not, which is recorded. `signer` signs
    as one of the policy's approvers.
    """
    _check(kind, value)

    def decide(act: Act) -> Frozen | RefusedError:
        name = agents.find(act.house, value).name if kind == "agent" else value
        try:
            by = people.may(act.house, act, "unfreeze", {"selector": kind, "value": name}, signer)
        except RefusedError as e:
            return people.refused(act, "unfreeze", e.code, e.message, e.hint, more={"selector": kind})
        if not freezes.end(act.db, kind, name, act.seq):
            raise NotFoundError(f"no freeze of {Freeze(kind, name, 0)} is in force", code="nothing_matched")
        covered = [row for row in table.everyone(act.db) if row.state != "retired" and _holds(row, kind, name)]
        made = Frozen(kind, name, len(covered), _live(act, covered), freezes.in_force(act.db))
        _record(act, "authority.unfrozen", made, reason, by)
        return made

    answer, head = transact(house, decide)
    if isinstance(answer, RefusedError):
        raise answer
    publish_trust.spread(house)
    return answer, head


def _check(kind: str, value: str) -> None:
    if kind not in KINDS or (kind == "all") != (value == ""):
        raise InputError("one of --all, --agent, --group, --env", code="usage")


def _covered(act: Act, kind: str, value: str) -> tuple[str, list[table.AgentRow]]:
    """The value as it is kept, and the agents that are not retired and would be held."""
    if kind == "agent":
        row = agents.find(act.house, value)
        if row.state == "retired":
            raise wrong_state("agent", row.name, row.state)
        return row.name, [row]
    found = [row for row in table.everyone(act.db) if row.state != "retired" and _holds(row, kind, value)]
    if not found and kind != "all":
        raise NotFoundError(
            f"no agent is in {kind} `{value}`: nothing would be frozen",
            code="nothing_matched",
            hint="nhictl agent list",
        )
    return value, found


def _holds(row: table.AgentRow, kind: str, value: str) -> bool:
    attrs = json.loads(row.doc)
    return Freeze(kind, value, 0).covers(row.name, attrs["env"], attrs["groups"])


def _live(act: Act, covered: list[table.AgentRow]) -> int:
    return sum(standing.count(act.house, Cut("agent", row.id), act.now_us).live for row in covered)


def _record(act: Act, kind: str, made: Frozen, reason: str | None, by: dict[str, Any] | None = None) -> int:
    ext: dict[str, Any] = {"selector": made.kind, "agents": made.agents, "live_tokens": made.live_tokens}
    if made.kind in ("group", "env"):
        ext[made.kind] = made.value
    if by is not None:
        ext["authority"] = by
    agent = made.value if made.kind == "agent" else None
    return act.record(kind, agent=agent, sealed={"reason": reason} if reason else None, ext=ext)
