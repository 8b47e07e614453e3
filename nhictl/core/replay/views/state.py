"""Authority at a moment: who may act, with which tokens for how long, on which tasks, under which policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core import times
from nhictl.core.replay.views.box_line import box_line
from nhictl.core.replay.views.delegation import scope_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nhictl.core.replay.authority.entities import Mark, Task, Token
    from nhictl.core.replay.authority.fold import Authority
    from nhictl.core.replay.authority.step import Step


def up_to(world: Authority, steps: Iterable[Step], at_us: int) -> int:
    """Fold in every record there was at a moment, and return how many that were. A clock that went back does not hide
    what came after it: a record counts as no earlier than the one before.
    """
    count, newest = 0, -(1 << 62)
    for step in steps:
        if step.seq is None:
            break
        newest = max(newest, step.us if step.us is not None else newest)
        if newest > at_us:
            break
        world.take(step)
        count += 1
    return count


def state_at(world: Authority, at_us: int) -> dict[str, Any]:
    """`nhictl.state/v1` without its schema: `agents`, `tokens` that are live, `tasks` that are open, `policy`, `freezes`.

    A token is live if nothing ended it, its life (exact, without leeway) and its task's deadline are not over and everyone
    in its chain may act; `remaining_s` are whole seconds. `scope` is null where the record's content is not at hand.
    """
    policy = world.policy
    return {
        "agents": [_agent(world, name, at_us) for name in sorted(world.agents)],
        "tasks": [_task(task) for task in world.tasks.values() if is_open(task, at_us)],
        "tokens": [_token(world, token, at_us) for token in world.tokens.values() if is_live(world, token, at_us)],
        "policy": None if policy is None else {"digest": policy[0], "since": policy[1].ref()},
        "freezes": [
            {"selector": kind, "value": value or None, "since": mark.ref()}
            for (kind, value), mark in sorted(world.freezes.items())
        ],
    }


def is_open(task: Task, at_us: int) -> bool:
    """Whether a task has neither ended nor passed its deadline."""
    return task.ended is None and (task.deadline_us is None or at_us < task.deadline_us)


def is_live(world: Authority, token: Token, at_us: int) -> bool:
    """Whether a token would be accepted, as far as the records tell."""
    task = world.tasks.get(token.task or "")
    if token.expires_us is None or at_us >= token.expires_us or task is None or not is_open(task, at_us):
        return False
    limit = token.ext.get("uses")
    if world.revocation(token) is not None or (isinstance(limit, int) and token.uses >= limit):
        return False
    holders = dict.fromkeys([(task.agent, task.inst), *((one.agent, one.inst) for one in world.chain(token))])
    return all(world.standing(name or "", inst, at_us)[0] == "active" for name, inst in holders)


def _agent(world: Authority, name: str, at_us: int) -> dict[str, Any]:
    agent = world.agents[name]
    state, mark = world.standing(name, None, at_us)
    stopped = sorted(inst for (owner, inst) in world.stopped if owner == name)
    made: dict[str, Any] = {"name": name, "state": state, "since": _ref(mark or agent.history[-1][0])}
    made["owner"] = agent.attrs.get("owner")
    made["expires"] = None if agent.expires_us is None else times.rfc3339(agent.expires_us)
    return made | ({"suspended_instances": stopped} if stopped else {})


def _ref(mark: Mark | None) -> dict[str, Any] | None:
    return None if mark is None else mark.ref()


def _task(task: Task) -> dict[str, Any]:
    return {
        "task": task.id,
        "agent": task.agent,
        "instance": task.inst,
        "intent": task.intent,
        "deadline": None if task.deadline_us is None else times.rfc3339(task.deadline_us),
        "scope": None if task.scope is None else [box_line(box) for box in task.scope],
        "opened": task.opened.ref(),
    }


def _token(world: Authority, token: Token, at_us: int) -> dict[str, Any]:
    scope = scope_of(world, token)
    ends = token.expires_us or at_us
    return {
        "jti": token.jti,
        "task": token.task,
        "agent": token.agent,
        "instance": token.inst,
        "parent": token.parent,
        "expires": times.rfc3339(ends),
        "remaining_s": (ends - at_us) // 1_000_000,
        "scope": None if scope is None else [box_line(box) for box in scope],
        "issued": token.issued.ref(),
    }
