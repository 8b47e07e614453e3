"""Detections on who acts: without a parent, while stopped, past the task's end, by nobody's leave, out of time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nhictl.core.policy.algebra import regions
from nhictl.core.policy.glob import Glob
from nhictl.core.replay.detect.rule import Found, Lack, rule
from nhictl.core.replay.detect.scene import SKEW_US

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from nhictl.core.replay.authority.entities import Mark
    from nhictl.core.replay.detect.rule import Memory
    from nhictl.core.replay.detect.scene import Scene

_SECOND = 1_000_000


def _orphans(_scene: Scene, mine: Memory) -> Iterator[Found | Lack]:
    """Spans that no event at or before their child bears. A child whose own time or whose parent's is unknown is judged by
    the order of the file.
    """
    spans, waiting = mine.get("spans", {}), mine.get("waiting", {})
    for (run, parent), (us, ref) in waiting.items():
        there = spans.get((run, parent))
        if there is None or (us is not None and there > us):
            yield Found(f"{run}/{parent}", f"run {run}: span {parent} is named as a parent and was not seen", [ref])


@rule(
    "ORPHAN_ACTION", "act whose parent is not there", "medium", "OWASP-ASI-2026:ASI07 CSA-MAESTRO:L5",
    "a parent that another system recorded; a log that begins in the middle", end=_orphans, foreign=True,
)  # fmt: skip
def orphan_action(scene: Scene, mine: Memory) -> Iterator[Found | Lack]:
    """The parent that a record or event names is absent at or before it: its task was never opened, the token it was made
    from never issued, or no event of its run bears the span.
    """
    step, world = scene.step, scene.world
    if step.seq is not None and step.type != "task.opened":
        for kind, name, known in (("task", step.task, world.tasks), ("token", step.parent, world.tokens)):
            if name is None or name in known:
                continue
            if world.whole:
                yield Found(name, f"{step.type} of {kind} {name}, which no earlier record makes", [step.ref()])
            else:
                yield Lack("the log from its beginning")
    spans = mine.setdefault("spans", {})
    if step.pspan is not None and (step.run, step.pspan) not in spans:
        mine.setdefault("waiting", {}).setdefault((step.run, step.pspan), (step.us, step.ref()))
    if step.span is not None:
        spans.setdefault((step.run, step.span), step.us if step.us is not None else -1)
        if step.us is None:  # order is all there is: whoever waited came before
            late = mine.get("waiting", {}).pop((step.run, step.span), None)
            if late is not None:
                yield Found(
                    f"{step.run}/{step.span}", f"run {step.run}: span {step.span} came after its child", [late[1]]
                )


@rule(
    "INACTIVE_AGENT", "act of an agent that may not act", "critical",
    "OWASP-ASI-2026:ASI10 OWASP-NHI-2025:NHI1 NIST-AI-RMF:GOVERN-1.7",
    "a call that was under way when its agent was stopped, and was told later",
    on="token.used tool.called token.delegated",
)  # fmt: skip
def inactive_agent(scene: Scene, _mine: Memory) -> Iterator[Found | Lack]:
    """A use, call or delegation that was let pass, or is told, more than 60 s after its agent, an agent in its chain, or
    its running copy was suspended (a freeze suspends), retired or expired, or by an agent that was never registered.
    """
    step, world = scene.step, scene.world
    if not (step.allowed or step.type == "token.delegated") or step.agent is None:
        return
    if step.foreign is not None and world.agent_of(step.agent) is None:
        return  # another system's name says nothing about our registry
    token = scene.token
    task = scene.task
    names = [step.agent, *(token.act if token is not None else ()), *([task.agent] if task and task.agent else [])]
    for name in dict.fromkeys(names):
        inst = step.inst if name == step.agent else None
        state, mark = world.standing(name, inst, step.us)
        if state == "unregistered" and not world.whole:
            yield Lack("the log from its beginning, which registers the agents")
        elif state != "active" and _late(step.us, mark, state, world.agents.get(name)):
            records = [*([mark.ref()] if mark is not None else []), step.ref()]
            yield Found(f"{name}/{state}", f"{name} is {state}, and {step.tool or step.type} was let pass", records)


def _late(us: int | None, mark: Mark | None, state: str, agent: Any) -> bool:
    if state == "expired":
        return us is None or us > agent.expires_us + SKEW_US
    return mark is None or mark.us is None or us is None or us > mark.us + SKEW_US


def _left_behind(scene: Scene, mine: Memory) -> Iterator[Found | Lack]:
    """Secrets of other systems that were not revoked a minute after their task ended."""
    newest = scene.world.newest
    for (name, credential), ref in mine.items():
        task = scene.world.tasks.get(name)
        ended = task.ended if task is not None else None
        if ended is None or ended.us is None or newest is None or newest.us is None:
            continue
        if newest.us > ended.us + SKEW_US:
            message = f"credential {credential} of task {name} was not revoked when the task ended"
            yield Found(f"{name}/{credential}", message, [ref, ended.ref()])


@rule(
    "STALE_AUTHORITY", "authority that outlives its task", "high",
    "OWASP-NHI-2025:NHI1 OWASP-NHI-2025:NHI7 NIST-AI-RMF:GOVERN-1.7",
    "a helper program that revoked a secret and could not say so", end=_left_behind,
    on="token.used tool.called token.issued token.delegated credential.acquired credential.revoked",
)  # fmt: skip
def stale_authority(scene: Scene, mine: Memory) -> Iterator[Found | Lack]:
    """A token that is accepted, issued or handed on more than 60 s after its task was closed, killed or due, or that is
    issued to live longer than that; a secret that a run was given and that is not revoked 60 s after its task's end.
    """
    step, task = scene.step, scene.task
    if step.type.startswith("credential.") and step.task is not None:
        key = (step.task, str(step.ext.get("credential")))
        if step.type == "credential.acquired":
            mine[key] = step.ref()
        elif step.type == "credential.revoked":
            mine.pop(key, None)
        return
    issued = step.type in ("token.issued", "token.delegated")
    if task is None or step.us is None or not (step.allowed or issued):
        return
    ends = [at for at in (task.deadline_us, task.ended.us if task.ended is not None else None) if at is not None]
    if not ends:
        return
    mark = task.ended or task.opened
    if step.us > min(ends) + SKEW_US:
        late = (step.us - min(ends)) // _SECOND
        message = f"{step.tool or step.type} was let pass {late} s after task {task.id} had ended"
        yield Found(task.id, message, [mark.ref(), step.ref()])
    expires = step.ext.get("exp")
    if issued and isinstance(expires, int) and expires * _SECOND > min(ends) + SKEW_US:
        message = f"token {step.jti} lives {expires - min(ends) // _SECOND} s longer than its task {task.id}"
        yield Found(task.id, message, [mark.ref(), step.ref()])


@rule(
    "CLOCK_REGRESSION", "clock that went back", "medium", "CSA-MAESTRO:L5",
    "a clock that was set right after it had been fast", foreign=True,
)  # fmt: skip
def clock_regression(scene: Scene, mine: Memory) -> Iterator[Found | Lack]:
    """A record more than 60 s earlier than the record before it, in our log or in one file of another."""
    step = scene.step
    if step.us is None:
        return
    source = step.place.get("file") if step.foreign is not None else ""
    before = mine.get(source)
    if before is not None and step.us < before[0] - SKEW_US:
        message = f"a record is {(before[0] - step.us) // _SECOND} s earlier than the one before it"
        yield Found(str(source or "log"), message, [before[1], step.ref()])
    mine[source] = (step.us, step.ref())


@rule(
    "ISSUER_ANOMALY", "authority given by who may not", "critical",
    "OWASP-ASI-2026:ASI03 OWASP-NHI-2025:NHI6 NIST-AI-RMF:GOVERN-2.1",
    "root or another administrator of the host working in the owner's place",
    on="task.opened token.exchanged token.issued token.delegated",
)  # fmt: skip
def issuer_anomaly(scene: Scene, _mine: Memory) -> Iterator[Found | Lack]:
    """A task opened by a user whom the policy's openers do not let open it (without openers: by another than the home's
    owner); a token exchanged through a trust that was not in force, or for another agent than it names; a token signed
    with a key that was not the active one.
    """
    step, world = scene.step, scene.world
    if step.type == "task.opened" and step.actor.get("kind") != "ci":
        said = _opener(scene)
        if isinstance(said, Lack):
            yield said
        elif said is not None:
            uid = (step.ext.get("opener") or {}).get("uid")
            who = step.actor.get("id") if uid is None else f"uid:{uid}"
            yield Found(str(step.task), f"task {step.task} was opened by {who}: {said}", [step.ref()])
    elif step.type == "token.exchanged" and world.whole:
        named = step.ext.get("trust_seq")
        held = next((agent for agent, mark in world.trusts.values() if mark.seq == named), "")
        if held == "" or held != step.agent:
            why = "no trust in force" if held == "" else f"a trust for `{held}`"
            yield Found(str(step.task), f"task {step.task} of {step.agent} was exchanged through {why}", [step.ref()])
    elif step.type in ("token.issued", "token.delegated") and world.whole:
        state, mark = world.keys.get(str(step.ext.get("kid")), ("unknown", None))
        if state != "token activated":
            records = [*([mark.ref()] if mark is not None else []), step.ref()]
            yield Found(str(step.jti), f"token {step.jti} was signed with a key that is {state}", records)


def _opener(scene: Scene) -> Lack | str | None:
    step, world = scene.step, scene.world
    who = step.actor.get("id")
    if world.policy is None:
        return _not_owner(scene)
    policy = scene.policies(world.policy[0])
    if policy is None:
        return Lack(f"the policy {world.policy[0]}")
    openers = policy.form.get("openers")
    if not openers:
        return _not_owner(scene)
    uid = (step.ext.get("opener") or {}).get("uid")
    mine = [one for one in openers if (f"uid:{uid}" if uid is not None else who) in [f"uid:{u}" for u in one["uid"]]]
    intent = step.ext.get("intent")
    fitting = [one for one in mine if _named(one["agents"], step.agent) and _named(one["intents"], intent)]
    if not fitting:
        return "no opener of the policy lets them open it"
    if any(one["scope"] is None for one in fitting):
        return None
    scope = step.content("scope")
    if not isinstance(scope, list):
        return Lack("the scope of a task")
    ceiling = regions.union(box for one in fitting for box in scene.scope.boxes(one["scope"]))
    answer = regions.subset(regions.union(scene.scope.boxes(scope)), ceiling, policy)
    if answer.holds is None:
        return Lack(f"whether what openers may open holds a task's scope: {answer.why}")
    return None if answer.holds else "its scope goes beyond what they may open"


def _not_owner(scene: Scene) -> Lack | str | None:
    if not scene.world.whole:
        return Lack("the log from its beginning, which names the owner")
    who = scene.step.actor.get("id")
    return None if who == scene.world.owner else f"the owner is {scene.world.owner}, and no policy names openers"


def _named(wanted: list[str] | None, name: Any) -> bool:
    return wanted is None or (isinstance(name, str) and any(Glob(text).matches(name) for text in wanted))
