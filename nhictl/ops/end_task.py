"""`task close|kill`: one record; every check from the commit on refuses the task's tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nhictl.ops import standing, tasks
from nhictl.ops.act import Act, Head, transact, wrong_state
from nhictl.ops.house import House
from nhictl.ops.publish_trust import spread
from nhictl.store import agents as agent_table
from nhictl.store import work
from nhictl.store.cuts import Cut


def end_task(
    house: House, name: str, outcome: str, reason: str | None, more: dict[str, Any] | None = None
) -> tuple[dict[str, Any], int, Head]:
    """End a task as `closed` or `killed`; returns it, how many live tokens it had, and the head.

    NotFoundError (4) for an unknown task, ConflictError (5) if it had ended already. A task past its deadline can
    still be closed or killed: the record then says so. `more` goes into the record as it is.
    """
    (task, live), head = transact(house, ending(name, outcome, reason, more), grants=False)
    spread(house)
    return task, live, head


def ending(
    name: str, outcome: str, reason: str | None, more: dict[str, Any] | None = None
) -> Callable[[Act], tuple[dict[str, Any], int]]:
    """The part of an act that ends the task; returns it and how many live tokens it had."""

    def decide(act: Act) -> tuple[dict[str, Any], int]:
        row = tasks.find(act.house, name)
        live = end(act, row, outcome, reason, more)
        return tasks.to_json(act.house, tasks.find(act.house, name), act.now_us), live

    return decide


def end(act: Act, row: work.TaskRow, outcome: str, reason: str | None, more: dict[str, Any] | None = None) -> int:
    """End a task inside an act and return how many live tokens it had; ConflictError (5) if it had ended already."""
    live = standing.count(act.house, Cut("task", row.id), act.now_us).live
    if row.ended is not None:
        raise wrong_state("task", row.name, str(row.outcome))
    agent = agent_table.by_id(act.db, row.agent)
    seq = act.record(
        f"task.{outcome}", task_row=row.id, sealed={"reason": reason} if reason else None,
        agent=agent.name if agent else None, inst=row.instance, task=row.name, ext={"live_tokens": live} | (more or {}),
    )  # fmt: skip
    work.end_task(act.db, row.id, seq, outcome)
    return live
