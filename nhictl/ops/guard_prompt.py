"""What a person asked an agent to do, recorded where an enforcement point's host tells of it."""

from __future__ import annotations

from nhictl.core import strict_json
from nhictl.errors import NotFoundError
from nhictl.ops.act import Act, Head, transact
from nhictl.ops.guard_call import bounded
from nhictl.ops.house import House
from nhictl.store import agents, work


def record_prompt(house: House, point: str, task: str, prompt: str) -> Head:
    """Record `message.added` with the prompt as sealed content, secrets masked; a very long one by its digest.

    NotFoundError (4) for a task that there is not; whatever `transact` raises means that nothing was recorded.
    """
    kept = bounded(prompt)

    def act_on(act: Act) -> None:
        row = work.task(act.db, task)
        agent = agents.by_id(act.db, row.agent) if row is not None else None
        if row is None or agent is None:
            raise NotFoundError("no such task to record a prompt under", code="task_unknown")
        act.record(
            "message.added", task_row=row.id, agent=agent.name, inst=row.instance, task=row.name, op="chat",
            sealed={"prompt": kept if isinstance(kept, str) else strict_json.dumps(kept)}, src={"state": "recorded"},
            ext={"point": point, "role": "user"},
        )  # fmt: skip

    return transact(house, act_on)[1]
