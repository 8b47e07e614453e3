"""`token list|show`: what was issued and how it stands; never the token itself, which nobody keeps."""

from __future__ import annotations

from typing import Any

from nhictl.core import times
from nhictl.core.ledger import record
from nhictl.core.token import b64
from nhictl.errors import NotFoundError
from nhictl.ops import agents, frozen, lineage, tasks
from nhictl.ops.house import House
from nhictl.store import agents as agent_table
from nhictl.store import belongings, cuts, log, sqlite, work

LATEST = agent_table.LATEST


def ended_by(house: House, row: work.TokenRow, below: int = LATEST) -> int | None:
    """The number of the record that revoked a token, by itself or by a cut-off, as of the first `below` records."""
    if row.revoked is not None and row.revoked < below:
        return row.revoked
    return cuts.first(house.db, row.id, below) if work.later(house.db, row.seq, below)[0] else None


def show_row(house: House, row: work.TokenRow, at_us: int, below: int = LATEST) -> dict[str, Any]:
    """The token as it is listed. `live` is one that would be accepted (`ops/standing.py`)."""
    task = work.task_by_id(house.db, row.task)
    agent = agent_table.by_id(house.db, task.agent, below) if task else None
    by = ended_by(house, row, below)
    above = lineage.of(house, row, at_us, below)
    if by is None and above is not None:
        by = above.ended
    first = row if above is None else row._replace(instance=above.instance)  # the copy of the task's agent that counts
    state = "revoked" if by is not None else _state(house, first, task, agent, at_us, below)
    if state == "live" and above is not None and not above.active:
        state = "actor_not_active"
    return _to_json(row, state, task.name if task else None, agent.name if agent else None, by, above)


def _to_json(
    row: work.TokenRow, state: str, task: str | None, agent: str | None, by: int | None,
    from_token: lineage.Ancestry | None = None,
) -> dict[str, Any]:  # fmt: skip
    return {
        "jti": b64.encode(row.jti),
        "state": state,
        "agent": agent,
        "task": task,
        "instance": row.instance,
        "audience": row.audience,
        "issued": times.rfc3339(row.issued * 1_000_000),
        "expires": times.rfc3339(row.expires * 1_000_000),
        "parent": from_token.parent if from_token else None,
        "act": from_token.act if from_token else [],
        "uses": row.uses,
        "seq": row.seq,
        "revoked_by": by,
    }


def _state(
    house: House, row: work.TokenRow, task: work.TaskRow | None, agent: agent_table.AgentRow | None, at_us: int, below: int
) -> str:  # fmt: skip
    if at_us >= row.expires * 1_000_000:
        return "expired"
    if task is None or agent is None:
        return "unknown"
    if (task_state := tasks.state_at(task, at_us, below)) != "open":
        return f"task_{task_state}"
    if row.uses == 0:
        return "spent"
    if (standing := agents.state_at(agent, at_us)) != "active":
        return f"agent_{standing}"
    if belongings.is_suspended(house.db, agent.id, row.instance, below):
        return "instance_suspended"
    return "live" if frozen.by(house, agent, below) is None else "frozen"


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
        return show_row(house, row, house.clock() if at_us is None else at_us, below)


def everything(
    house: House,
    *,
    task: str | None,
    agent: str | None,
    live: bool,
    at_us: int | None = None,
    ci_run: str | None = None,
) -> list[dict[str, Any]]:
    """Tokens in the order of issue, of a task, an agent or a CI run if one is named, only live ones if asked."""
    now = house.clock() if at_us is None else at_us
    with sqlite.guarded("read the tokens"):
        below = agents.below_of(house, at_us)
        whose = agents.find(house, agent, below).name if agent else None
        rows = work.tokens(house.db, tasks.find(house, task, below).id if task else None, below)
        if ci_run is not None:
            from nhictl.store import trusts

            of_run = set(trusts.tasks_of_run(house.db, ci_run, below))
            rows = [row for row in rows if row.task in of_run]
        found = [show_row(house, row, now, below) for row in rows]
    return [
        t for t in found if (whose is None or whose in (t["agent"], *t["act"])) and (not live or t["state"] == "live")
    ]


def revoked_by(house: House, seq: int, *, task: str | None, agent: str | None) -> list[dict[str, Any]]:
    """The tokens that the record `seq` ended, in the order of issue: as many as it counted.

    NotFoundError (4) if it revoked nothing.
    """
    with sqlite.guarded("read the tokens"):
        whose = agents.find(house, agent).id if agent else None
        only = tasks.find(house, task).id if task else None
        names: dict[int, tuple[int, str, str | None]] = {}
        found = []
        for row in _hit(house, seq):
            if row.task not in names:
                names[row.task] = _names(house, row.task)
            owner, name, agent_name = names[row.task]
            if whose in (None, owner) and only in (None, row.task):
                found.append(_to_json(row, "revoked", name, agent_name, seq))
    return found


def _names(house: House, task: int) -> tuple[int, str, str | None]:
    row = work.task_by_id(house.db, task)
    agent = agent_table.by_id(house.db, row.agent) if row else None
    return (row.agent, row.name, agent.name if agent else None) if row else (0, "", None)


def _hit(house: House, seq: int) -> list[work.TokenRow]:
    """The tokens that stood when record `seq` ended them."""
    line = log.line(house.db, seq) if 0 <= seq < LATEST else None
    made = record.decode(line) if line is not None else {}
    cut = cuts.at(house.db, seq)
    if cut is not None:
        return cuts.hit(house.db, cut, times.parse_rfc3339(made["ts"]) if made else log.time(house.db, seq) or 0, seq)
    row = work.token(house.db, b64.decode(made["jti"])) if made.get("type") == "token.revoked" else None
    if row is None:
        raise NotFoundError(f"record {seq} revoked no token", code="nothing_matched", hint="nhictl audit replay")
    return [row]
