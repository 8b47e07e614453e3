"""What operations on tasks share: lookups, state, JSON."""

from __future__ import annotations

import json
from typing import Any

from nhictl.core import times
from nhictl.errors import NotFoundError
from nhictl.ops import agents
from nhictl.ops.house import House
from nhictl.store import agents as agent_table
from nhictl.store import docs, sqlite, work

LATEST = agent_table.LATEST


def find(house: House, name: str, below: int = LATEST) -> work.TaskRow:
    """The task of that id; NotFoundError (exit 4)."""
    row = work.task(house.db, name, below)
    if row is None:
        raise unknown(name)
    return row


def unknown(name: str) -> NotFoundError:
    """The error for a task that there is not (exit 4)."""
    return NotFoundError(f"no task `{name}`", code="task_unknown", hint="nhictl task list")


def state_at(row: work.TaskRow, at_us: int, below: int = LATEST) -> str:
    """`open`, `closed` or `killed`; an open one past its deadline counts as closed."""
    if row.ended is not None and row.ended < below:
        return str(row.outcome)
    return "closed" if at_us >= docs.read(row.doc)["deadline_us"] else "open"


def to_json(house: House, row: work.TaskRow, at_us: int, below: int = LATEST) -> dict[str, Any]:
    """The task as `nhictl.task/v1` shows it."""
    doc = json.loads(row.doc)
    agent = agent_table.by_id(house.db, row.agent)
    return {
        "id": row.name,
        "state": state_at(row, at_us, below),
        "agent": agent.name if agent else None,
        "instance": row.instance,
        "intent": doc["intent"],
        "purpose": doc["purpose"],
        "principal": doc["principal"],
        "scope": doc["scope"],
        "delegation": doc.get("delegation"),
        "deadline": times.rfc3339(doc["deadline_us"]),
        "max_tokens": doc["max_tokens"],
        "max_calls": doc["max_calls"],
        "tokens": row.tokens,
        "calls": row.calls,
        **{name: doc[name] for name in ("ci", "erased") if name in doc},
    }


def show(house: House, name: str, at_us: int | None = None) -> dict[str, Any]:
    """One task now or at a moment."""
    with sqlite.guarded("read the tasks"):
        below = agents.below_of(house, at_us)
        return to_json(house, find(house, name, below), house.clock() if at_us is None else at_us, below)


def everything(
    house: House, agent: str | None, at_us: int | None = None, ci_run: str | None = None
) -> list[dict[str, Any]]:
    """All tasks, one agent's, or those that a CI run proved itself for, in the order they were opened."""
    now = house.clock() if at_us is None else at_us
    with sqlite.guarded("read the tasks"):
        below = agents.below_of(house, at_us)
        whose = agents.find(house, agent, below).id if agent else None
        rows = work.tasks(house.db, whose, below)
        if ci_run is not None:
            from nhictl.store import trusts

            of_run = set(trusts.tasks_of_run(house.db, ci_run, below))
            rows = [row for row in rows if row.id in of_run]
        return [to_json(house, row, now, below) for row in rows]
