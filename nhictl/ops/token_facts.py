"""What the checks of a token need to know from the store, read in one snapshot: who, which task, which state, as of when."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from nhictl.core.identity import spiffe
from nhictl.core.token import b64, compact, profile, state
from nhictl.ops import agents, tasks
from nhictl.ops.house import House
from nhictl.store import agents as agent_table
from nhictl.store import belongings, work

if TYPE_CHECKING:
    from nhictl.core.policy.limits import Charge, Counter
    from nhictl.ops.approvals import Call
    from nhictl.ops.lineage import Lineage


class Question(NamedTuple):
    """A token, who asks, the call asked about, if any, and the profile the token has to be of. `at_us` None is now."""

    token: bytes
    audience: str
    tool: str | None = None
    args: dict[str, Any] | None = None
    resource: str | None = None
    context: dict[str, Any] | None = None
    at_us: int | None = None
    kind: str = profile.AT_JWT
    proof: tuple[bytes, str, str] | None = None
    """A DPoP proof, and the method and address it has to be for."""
    certificate: bytes | None = None
    """The certificate (DER) that the client's TLS connection was authenticated with, as the server that was asked knows it."""
    supported: frozenset[str] | None = None
    """The obligations that the enforcement point can perform; None: it did not say, and answers for all of them."""
    proved_elsewhere: bool = False
    """Whoever asks checks the proof of possession of a bound token itself, by the `cnf` it is told."""


class Seen:
    """What the checks have come across so far, for the answer and the record.

    `charges` is what the call takes from which counters if it is allowed, `approvals` the requests it uses up, `wanted` the
    call that was denied for want of one.
    """

    def __init__(self) -> None:
        self.claims: dict[str, Any] | None = None
        self.agent: agent_table.AgentRow | None = None
        self.task: work.TaskRow | None = None
        self.token: work.TokenRow | None = None
        self.decision: dict[str, Any] | None = None
        self.lineage: Lineage | None = None
        self.charges: dict[Counter, Charge] = {}
        self.approvals: list[str] = []
        self.wanted: Call | None = None

    @property
    def instance(self) -> str | None:
        """Which running copy acts: the token's, or the task's where no token is shown."""
        if self.token is not None:
            return self.token.instance
        return self.task.instance if self.task is not None else None

    @property
    def holder(self) -> agent_table.AgentRow | None:
        """Who acts with the token: the agent of the task, or the one it was delegated to last."""
        return self.lineage.actors[0] if self.lineage is not None else self.agent


def read(
    house: House, kind: str, parsed: compact.Parsed, now_us: int, below: int, seen: Seen
) -> state.Facts:  # fmt: skip
    db, mine = house.db, parsed.claims
    name = spiffe.agent_name(mine["sub"], house.meta["trust_domain"])
    seen.agent = agent_table.by_name(db, name, below) if name else None
    try:
        jti = b64.decode(mine["jti"])
    except ValueError:
        jti = b""
    seen.token = work.token(db, jti, below)
    agent = agents.state_at(seen.agent, now_us) if seen.agent else None
    if seen.token is None:
        return state.Facts(agent, None, digest_ok=False, head_ok=False, task=None, uses=None)
    row = seen.token
    seen.task = work.task_by_id(db, row.task)
    if seen.task is not None and below != agent_table.LATEST and seen.task.calls:
        seen.task = seen.task._replace(calls=work.calls_before(db, seen.task.id, below))
    of_agent = seen.task.agent if seen.task else 0
    revoked = row.revoked is not None and row.revoked < below
    cut, frozen = work.later(db, row.seq, below)
    if cut and not revoked:
        from nhictl.store import cuts

        revoked = cuts.first(db, row.id, below) is not None
    same = seen.task is not None and seen.agent is not None and of_agent == seen.agent.id
    if kind == profile.JWT_SVID:
        head_ok = True  # it names neither log nor task: that this store holds its digest says the same of both
    else:
        head_ok = _contains(house, mine.get("nhictl", {}).get("log"), row.seq)
        same = same and seen.task is not None and seen.task.name == mine["txn"]
    stopped = seen.agent is not None and belongings.is_suspended(db, seen.agent.id, row.instance, below)
    facts = state.Facts(
        agent, "revoked" if revoked else "live", digest_ok=row.digest == sha256(parsed.text).digest() and same,
        head_ok=head_ok, task=tasks.state_at(seen.task, now_us, below) if seen.task else None, uses=row.uses,
        stopped=row.instance if stopped else None, frozen=frozen_by(house, seen.agent, below) if frozen else None,
        lease=lease_of(house, seen.task, now_us, below),
    )  # fmt: skip
    if "act" in mine:
        from nhictl.ops import lineage

        facts, seen.lineage = lineage.read(house, facts, mine, row, seen.task, now_us, below)
    return facts


def frozen_by(house: House, agent: agent_table.AgentRow | None, below: int) -> str | None:
    """What freeze holds the agent, in words. There is one in force, so this is seldom asked."""
    from nhictl.ops import frozen

    found = frozen.by(house, agent, below) if agent is not None else None
    return str(found) if found is not None else None


def lease_of(house: House, task: work.TaskRow | None, now_us: int, below: int) -> str | None:
    """How the lease stands, for the few tasks that have one. Of an earlier moment nothing but the records can be known."""
    if task is None or task.lease is None or (below != agent_table.LATEST and now_us < house.clock()):
        return None
    from nhictl.ops import leases

    return leases.standing(house, task)


def _contains(house: House, named: Any, seq: int) -> bool:
    """Whether the log head a token names is of our log, before the record of its issue."""
    size = named.get("size") if isinstance(named, dict) else None
    return (
        isinstance(named, dict) and named.get("chain") == house.meta["chain"]
        and isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= seq
    )  # fmt: skip
