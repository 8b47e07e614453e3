"""`token list|show`: what was issued and how it stands; never the token itself, which nobody keeps."""

from __future__ import annotations

from typing import Any

from nhictl.core import times
from nhictl.core.token import b64
from nhictl.errors import NotFoundError
from nhictl.ops import agents, lineage, tasks
from nhictl.ops.house import House
from nhictl.store import agents as agent_table
from nhictl.store import belongings, sqlite, work


def _to_json(house: House, row: work.TokenRow, at_us: int, below: int) -> dict[str, Any]:
    task = work.task_by_id(house.db, row.task)
    agent = agent_table.by_id(house.db, task.agent, below) if task else None
    own = row.revoked is not None and row.revoked < below
    cut = work.cut_at(house.db, task.agent if task else 0, row.task, row.seq, below)
    from_token = lineage.of(house, row, task, at_us, below) if task else None
    if from_token is not None and not own and cut is None:
        cut = from_token.ended
    if own or cut is not None:
        state = "revoked"
    elif at_us >= row.expires * 1_000_000:
        state = "expired"
    else:
        task_state = tasks.state_at(task, at_us, below) if task else "unknown"
        standing = agents.state_at(agent, at_us) if agent else "unknown"
        first = row.instance if from_token is None else from_token.instance
        stopped = agent is not None and belongings.is_suspended(house.db, agent.id, first, below)
        if task_state != "open":
            state = f"task_{task_state}"
        elif standing != "active":
            state = f"agent_{standing}"
        else:
            state = "instance_suspended" if stopped else "live"
        if state == "live" and from_token is not None and not from_token.active:
            state = "actor_not_active"
    return {
        "jti": b64.encode(row.jti),
        "state": state,
        "agent": agent.name if agent else None,
        "task": task.name if task else None,
        "instance": row.instance,
        "audience": row.audience,
        "issued": times.rfc3339(row.issued * 1_000_000),
        "expires": times.rfc3339(row.expires * 1_000_000),
        "parent": from_token.parent if from_token else None,
        "act": from_token.act if from_token else [],
        "uses": row.uses,
        "seq": row.seq,
        "revoked_by": row.revoked if own else cut,
    }


def show(house: House, jti: str, at_us: int | None = None) -> dict[str, Any]:
    """One token now or at a moment; NotFoundError (4)."""
    with sqlite.guarded("read the tokens"):
        below = agents.below_of(house, at_us)
        try:
            row = work.token(house.db, b64.decode(jti), below)
        except ValueError:
            row = None
        if row is None:
            raise NotFoundError(
                f"no token `{jti[:64]}` was issued here", code="token_unknown", hint="nhictl token list"
            )
        return _to_json(house, row, house.clock() if at_us is None else at_us, below)


def everything(
    house: House, *, task: str | None, agent: str | None, live: bool, at_us: int | None = None
) -> list[dict[str, Any]]:
    """Tokens in the order of issue, of a task or an agent if one is named, only live ones if asked."""
    now = house.clock() if at_us is None else at_us
    with sqlite.guarded("read the tokens"):
        below = agents.below_of(house, at_us)
        whose = agents.find(house, agent, below).name if agent else None
        rows = work.tokens(house.db, tasks.find(house, task, below).id if task else None, below)
        found = [_to_json(house, row, now, below) for row in rows]
    return [
        t for t in found if (whose is None or whose in (t["agent"], *t["act"])) and (not live or t["state"] == "live")
    ]
