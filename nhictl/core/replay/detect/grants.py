"""Detection on authority that was given and not needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nhictl.core.replay.detect.rule import Found, Lack, rule
from nhictl.core.replay.views.box_line import box_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nhictl.core.policy.compiled import Policy
    from nhictl.core.replay.detect.rule import Memory
    from nhictl.core.replay.detect.scene import Scene


@rule(
    "EXCESS_GRANT", "more authority than was used", "low",
    "OWASP-NHI-2025:NHI5 OWASP-NHI-2025:NHI7 OWASP-ASI-2026:ASI02 CSA-MAESTRO:L3 NIST-AI-RMF:GOVERN-1.3",
    "a task that ended early, or a grant that is for the case that seldom comes", needs_policy=True,
    on="token.issued token.used tool.called task.closed task.killed",
)  # fmt: skip
def excess_grant(scene: Scene, mine: Memory) -> Iterator[Found | Lack]:
    """A box of a task's scope that no allowed call had used when the task was closed or killed; a token issued for longer
    than every permit of the policy in force for a tool of its scope allows (`token.ttl_s`).
    """
    step, task = scene.step, scene.task
    if step.type == "token.issued":
        yield from _too_long(scene)
    if step.task is None or task is None:
        return
    if step.tool is not None and step.allowed:
        box, why = scene.cover()
        held = mine.setdefault(step.task, {"used": set(), "missing": None})
        if box is not None:
            held["used"].add(box)
        elif why is not None and why.startswith("?"):
            held["missing"] = why[1:]
    elif step.type in ("task.closed", "task.killed"):
        held = mine.pop(step.task, {"used": set(), "missing": None})
        unused = [box_line(one) for n, one in enumerate(task.scope or ()) if n not in held["used"]]
        if task.scope is None:
            yield Lack("the scope of a task")
        elif unused and held["missing"] is not None:
            yield Lack(held["missing"])
        elif unused:
            message = f"task {task.id} ended and never used {'; '.join(unused)}"
            yield Found(task.id, message, [task.opened.ref(), step.ref()])


def _too_long(scene: Scene) -> Iterator[Found | Lack]:
    step, task, expires = scene.step, scene.task, scene.step.ext.get("exp")
    if task is None or task.scope is None or step.us is None or not isinstance(expires, int):
        return
    if scene.digest() is None:
        return
    policy = scene.policy()
    if policy is None:
        yield Lack(scene.lost() or "the policy")
        return
    ttl = expires - step.us // 1_000_000
    for name in sorted(policy.form["tools"]):
        most = _longest(policy, name) if scene.scope.names(task.scope, name) else None
        if most is not None and ttl > most:
            message = f"token {step.jti} was issued for {ttl} s, and no permit for {name} goes beyond {most} s"
            yield Found(str(step.jti), message, [step.ref()])
            return


def _longest(policy: Policy, tool: str) -> int | None:
    """The longest life that any permit for a tool takes; None where one does not say."""
    found: list[int] = []
    for one in policy.form["rules"]:
        if one["effect"] != "permit" or tool not in one["tools"]:
            continue
        bounds = [clause for clause in one["all"] if clause[0] == "token.ttl_s" and clause[1] in ("lte", "lt")]
        said = [int(clause[2]) - (clause[1] == "lt") for clause in bounds]
        if not said:
            return None
        found.append(min(said))
    return max(found, default=None)
