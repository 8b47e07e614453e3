"""Detections on what calls were made of: outside their scope, decided otherwise than the rules say, too many, unanswered."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from nhictl.core.replay.detect.decision import judge, requested
from nhictl.core.replay.detect.rule import Found, Lack, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nhictl.core.replay.detect.rule import Memory
    from nhictl.core.replay.detect.scene import Scene

_CALLS = ("tool.called", "token.used", "token.denied")
_SECOND = 1_000_000


@rule(
    "SCOPE_VIOLATION", "call outside the scope of its task", "critical",
    "OWASP-ASI-2026:ASI02 OWASP-ASI-2026:ASI03 OWASP-NHI-2025:NHI5",
    "arguments or types that this version reads otherwise than the one that decided", foreign=True,
    on="token.used tool.called",
)  # fmt: skip
def scope_violation(scene: Scene, _mine: Memory) -> Iterator[Found | Lack]:
    """A call that was let pass, or is told to have been made, and that lies in no box of its task or of a token above it,
    evaluated anew whatever was logged.
    """
    step = scene.step
    if step.tool is None or not step.allowed or (step.task is None and step.foreign is None):
        return
    if scene.task is None and scene.declared is None:
        if not (scene.world.whole or scene.beside()):
            yield Lack("the scope of a task")
        return
    box, why = scene.cover()
    if box is not None:
        return
    if why is not None and why.startswith("?"):
        yield Lack(why[1:])
        return
    opened = [scene.task.opened.ref()] if scene.task is not None else []
    message = f"{step.tool} was called outside the scope of task {step.task or '?'}"
    yield Found(f"{step.task or step.run}/{step.tool}", message, [*opened, step.ref()])


@rule(
    "DECISION_MISMATCH", "decision that the policy does not make", "critical",
    "OWASP-ASI-2026:ASI02 NIST-AI-RMF:GOVERN-1.4",
    "a rule that reads the context of a call, which the log does not keep, or an obligation that the point cannot perform",
    needs_policy=True,
    on="token.used token.denied tool.called",
)  # fmt: skip
def decision_mismatch(scene: Scene, _mine: Memory) -> Iterator[Found | Lack]:
    """The policy at the recorded digest, asked again with the call, the agent as registered then and the recorded
    approvals, decides otherwise than was logged. Limits are left out: they are VELOCITY's.
    """
    step = scene.step
    if step.type not in _CALLS or step.tool is None or step.seq is None or not step.dec or "pdig" not in step.dec:
        return
    found = judge(scene)
    if isinstance(found, str):
        yield Lack(found)
    elif found is not None:
        about = f"{step.task}/{step.tool}/{step.dec.get('reason')}"
        message = f"{step.tool}: logged {step.dec.get('effect')} ({step.dec.get('reason')}), the policy says {found[0]}"
        yield Found(about, f"{message} ({found[1]})", [step.ref()])


@rule(
    "TASK_DRIFT", "tool outside what the task declares", "high",
    "OWASP-ASI-2026:ASI01 OWASP-ASI-2026:ASI02 CSA-MAESTRO:L3",
    "a task whose scope was drawn too narrow for honest work (2.8 % of benign runs of a public benchmark)",
    foreign=True,
    on="token.used token.denied tool.called",
)  # fmt: skip
def task_drift(scene: Scene, _mine: Memory) -> Iterator[Found | Lack]:
    """A call of a tool that no box of its task names, denied or not: an agent that wants it wants something else."""
    step = scene.step
    if step.type not in _CALLS or step.tool is None:
        return
    if scene.task is None and scene.declared is None and (scene.beside() or (step.task and scene.world.whole)):
        return  # no such task: ORPHAN_ACTION
    drifts, missing = scene.drift()
    if drifts is None:
        yield Lack(missing)
    elif drifts:
        ended = "denied" if step.outcome == "denied" else "made"
        opened = [scene.task.opened.ref()] if scene.task is not None else []
        message = f"task {step.task or step.run} does not name {step.tool}; the call was {ended}"
        yield Found(f"{step.task or step.run}/{step.tool}", message, [*opened, step.ref()])


@rule(
    "VELOCITY", "more calls than the policy's limit", "high", "OWASP-ASI-2026:ASI08 OWASP-ASI-2026:ASI10",
    "calls that were told afterwards, all at one time, and were made over a longer one", needs_policy=True,
    on="token.used tool.called",
)  # fmt: skip
def velocity(scene: Scene, mine: Memory) -> Iterator[Found | Lack]:
    """More allowed calls by one agent of one tool within the window of a limit than that limit of the policy in force
    declares; where the limit counts per task, instance or principal, by that one as well.
    """
    step = scene.step
    if step.tool is None or step.agent is None or not step.allowed or step.us is None or step.seq is None:
        return
    policy = scene.policy()
    if policy is None:
        yield Lack(scene.lost() or "the policy")
        return
    tool = policy.tool(step.tool)
    for limit in policy.limits(tool) if policy.limited and tool is not None else ():
        if limit.calls is None or limit.window_us is None:
            continue
        asked = requested(scene, policy)
        if asked is None and limit.tests:
            yield Lack("the arguments of a call")
            continue
        if asked is not None and not limit.applies(asked[1]):
            continue
        task = scene.task
        per = {"task": step.task, "instance": step.inst, "principal": task.principal if task else None}.get(limit.per)
        calls: deque[tuple[int, dict[str, object]]] = mine.setdefault((limit.id, step.agent, step.tool, per), deque())
        calls.append((step.us, step.ref()))
        while calls and calls[0][0] <= step.us - limit.window_us:
            calls.popleft()
        if len(calls) > limit.calls:
            within = limit.window_us // _SECOND
            message = (
                f"{step.agent} called {step.tool} {len(calls)} times within {within} s; {limit.id} allows {limit.calls}"
            )
            yield Found(f"{limit.id}/{step.agent}/{step.tool}/{per}", message, [calls[0][1], step.ref()])


@rule(
    "CALL_RESULT_MISMATCH", "call and result that do not match", "medium", "CSA-MAESTRO:L5 OWASP-ASI-2026:ASI08",
    "a run that was killed in the middle of a call; a framework that never tells results", foreign=True,
    on="tool.called tool.returned task.closed task.killed",
)  # fmt: skip
def call_result_mismatch(scene: Scene, mine: Memory) -> Iterator[Found | Lack]:
    """A result without its call, or a call that had not returned when its task was closed or killed. A call and its result
    share the task and the call id; without an id, agent and tool.
    """
    step = scene.step
    if step.foreign is not None:
        if step.type == "tool.returned":
            yield Found(f"{step.run}/{step.call}", f"a result of {step.tool or '?'} without its call", [step.ref()])
        return
    key = (step.task, step.call) if step.call is not None else (step.task, step.agent, step.tool)
    if step.type == "tool.called" and step.outcome == "ok" and "result" not in step.c:
        mine.setdefault(step.task, {}).setdefault(key, []).append(step.ref())
    elif step.type == "tool.returned":
        waiting = mine.get(step.task, {}).get(key)
        if waiting:
            waiting.pop(0)
        else:
            yield Found(f"{step.task}/{step.call}", f"a result of {step.tool or '?'} without its call", [step.ref()])
    elif step.type in ("task.closed", "task.killed"):
        for waiting in mine.pop(step.task, {}).values():
            for ref in waiting:
                message = f"a call had not returned when task {step.task} was {step.type.removeprefix('task.')}"
                yield Found(f"{step.task}", message, [ref, step.ref()])
