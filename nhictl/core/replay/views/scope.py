"""Scope granted against scope used, task by task: what was used of it, what never was, and what was called outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.replay.detect.scene import Scene
from nhictl.core.replay.views.box_line import box_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nhictl.core.replay.authority.entities import Task
    from nhictl.core.replay.authority.step import Step
    from nhictl.core.replay.detect.scene import Policies

SHOWN = 20


class _Use:
    """Of one task: calls by box and by token, calls outside, and why others could not be told."""

    def __init__(self) -> None:
        self.boxes: dict[int, list[dict[str, Any]]] = {}
        self.calls: dict[int, int] = {}
        self.tokens: dict[str, int] = {}
        self.outside: list[dict[str, Any]] = []
        self.outside_calls = 0
        self.unknown: dict[str, int] = {}

    def add(self, scene: Scene) -> None:
        step = scene.step
        if step.jti is not None:
            self.tokens[step.jti] = self.tokens.get(step.jti, 0) + 1
        box, why = scene.cover()
        if box is not None and step.allowed:
            self.calls[box] = self.calls.get(box, 0) + 1
            held = self.boxes.setdefault(box, [])
            if len(held) < SHOWN:
                held.append(step.ref())
        elif why == "outside":
            self.outside_calls += 1
            if len(self.outside) < SHOWN:
                self.outside.append({"tool": step.tool, "outcome": step.outcome, "record": step.ref()})
        elif why is not None:
            self.unknown[why.removeprefix("?")] = self.unknown.get(why.removeprefix("?"), 0) + 1


def scope_use(steps: Iterable[Step], policies: Policies, task: str | None = None) -> list[dict[str, Any]]:
    """A value a task, in the order they were opened:
    `{task, agent, granted, used, unused, outside, tokens, outside_calls, unknown}`.

    `granted` are the boxes as `{box, allow, text}`, null where the record's content is not at hand; `used` adds `calls` and the
    first records; `outside` are calls that no box covers, denied ones too. A call of a delegated token lies in what it
    names of the task's boxes. `unknown` counts calls that could not be told, by what is missing: with any, `unused` may be
    used after all.
    """
    from nhictl.core.replay.authority.fold import Authority

    world = Authority()
    scene = Scene(world, policies, None, second=False)
    uses: dict[str, _Use] = {}
    for step in steps:
        scene.enter(step)
        if step.tool is not None and step.task in world.tasks and step.type in _CALLS and task in (None, step.task):
            uses.setdefault(step.task or "", _Use()).add(scene)
        world.take(step)
    return [_shown(one, uses.get(one.id) or _Use()) for one in world.tasks.values() if task in (None, one.id)]


_CALLS = ("tool.called", "token.used", "token.denied")


def _shown(task: Task, use: _Use) -> dict[str, Any]:
    boxes = (
        None
        if task.scope is None
        else [{"box": n, "allow": allow, "text": box_line(allow)} for n, allow in enumerate(task.scope)]
    )
    granted = boxes or []
    return {
        "task": task.id,
        "agent": task.agent,
        "granted": boxes,
        "used": [one | {"calls": use.calls[one["box"]], "records": use.boxes[one["box"]]}
                 for one in granted if one["box"] in use.calls],
        "unused": [one for one in granted if one["box"] not in use.calls],
        "outside": use.outside,
        "outside_calls": use.outside_calls,
        "tokens": dict(sorted(use.tokens.items())),
        "unknown": [{"what": what, "times": times} for what, times in sorted(use.unknown.items())],
    }  # fmt: skip
