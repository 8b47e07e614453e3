"""Detections that need a second source: what other systems saw, held against our log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core.replay.detect.rule import Found, Lack, rule
from nhictl.core.replay.detect.scene import SKEW_US
from nhictl.core.replay.join import KEYS, by_call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nhictl.core.replay.authority.step import Step
    from nhictl.core.replay.detect.rule import Memory
    from nhictl.core.replay.detect.scene import Scene

_NO_SECOND: Final = "a second source: the log of what the calls reached"
_PERSONS: Final = frozenset({"IAMUser", "Root", "FederatedUser", "SAMLUser", "WebIdentityUser", "IdentityCenterUser"})


def _compared(scene: Scene, mine: Memory) -> Iterator[Found | Lack]:
    theirs: list[Step] = mine.get("theirs", [])
    ours: list[Step] = mine.get("ours", [])
    if not theirs or not ours:
        yield Lack("our own log" if theirs else _NO_SECOND)
        return
    known = {step.tool for step in ours} & {step.tool for step in theirs}
    pairs: dict[int, Step] = {}
    index = _index(ours)
    for step in theirs:
        match = _match(step, index, pairs)
        if match is not None:
            pairs[id(match)] = step
            yield from _disagree(match, step)
        elif step.outcome in ("ok", "error") and (step.tool in known or scene.world.agent_of(step.agent) is not None):
            message = f"{step.tool} was called there, and no record of ours says so"
            yield Found(f"{step.place.get('file')}/{step.tool}", message, [step.ref()])
    if not known and not pairs:
        yield Lack("a tool that both sources name the same")
    yield from _absent(ours, theirs, pairs)


def _index(ours: list[Step]) -> dict[Any, list[Step]]:
    made: dict[Any, list[Step]] = {}
    for step in ours:
        for key in _keys(step):
            made.setdefault(key, []).append(step)
    return made


def _keys(step: Step) -> Iterator[tuple[Any, ...]]:
    """By what two logs may name one act (`core.replay.join`)."""
    for by, keys in KEYS:
        for key in keys(step):
            yield by, *key


def _match(step: Step, index: dict[Any, list[Step]], taken: dict[int, Step]) -> Step | None:
    """Our record of the same act. Of several that fit, the first that no other call there has: how many there were counts,
    not which was which. A call's own id says enough; all else has to be within a minute.
    """
    for key in _keys(step):
        for one in index.get(key, ()):
            near = one.us is None or step.us is None or abs(one.us - step.us) <= SKEW_US
            if id(one) not in taken and (key[0] == "call" or near):
                return one
    return None


def _disagree(mine: Step, theirs: Step) -> Iterator[Found]:
    refs = [mine.ref(), theirs.ref()]
    about = f"{mine.task}/{mine.tool}"
    if mine.outcome == "denied" and theirs.outcome in ("ok", "error"):
        yield Found(about, f"{mine.tool} was denied here, and carried out there", refs)
    elif mine.outcome == "ok" and theirs.outcome == "not_executed":
        yield Found(about, f"{mine.tool} was let pass here, and not carried out there", refs)


def _absent(ours: list[Step], theirs: list[Step], pairs: dict[int, Step]) -> Iterator[Found]:
    """Calls of ours that a log does not have although it has their tool and covers their time."""
    spans: dict[str | None, list[int]] = {}
    for step in theirs:
        if step.us is not None:
            spans.setdefault(step.tool, []).append(step.us)
    for step in ours:
        seen = spans.get(step.tool)
        if id(step) in pairs or step.outcome == "denied" or step.us is None or not seen:
            continue
        if min(seen) <= step.us <= max(seen):
            yield Found(
                f"{step.task}/{step.tool}", f"{step.tool} was called here, and is not in the other log", [step.ref()]
            )


@rule(
    "SECOND_SOURCE_GAP", "two logs that disagree", "critical", "CSA-MAESTRO:L5 OWASP-ASI-2026:ASI10",
    "another log that leaves out what it finds dull, or names tools otherwise; clocks more than a minute apart",
    foreign=True, end=_compared,
    on="token.used token.denied tool.called",
)  # fmt: skip
def second_source_gap(scene: Scene, mine: Memory) -> Iterator[Found | Lack]:
    """A downstream log and ours disagree about a call: it carried out what we denied or never recorded, or it covers the
    time and tool of a call of ours and does not have it. Calls are one by their id, else by token or arguments of the same
    tool, or a trace, within 60 s.
    """
    step = scene.step
    if not scene.second:
        return
    if step.foreign is not None and step.type == "tool.called":
        mine.setdefault("theirs", []).append(step)
    elif step.seq is not None and step.tool is not None:
        mine.setdefault("ours", []).append(step)
    yield from ()


def _no_trail(_scene: Scene, mine: Memory) -> Iterator[Found | Lack]:
    if not mine.get("trail"):
        yield Lack("a cloud trail")
    elif not mine.get("ours"):
        yield Lack("a name of ours in the cloud trail: an agent, instance, task or call id")


@rule(
    "AMBIENT_CREDENTIAL", "agent with somebody's own credential", "critical",
    "OWASP-NHI-2025:NHI9 OWASP-NHI-2025:NHI10 OWASP-ASI-2026:ASI03",
    "a person who works on the agent's host under a name that holds the agent's", end=_no_trail, foreign=True,
    on="token.used token.denied tool.called",
)  # fmt: skip
def ambient_credential(scene: Scene, mine: Memory) -> Iterator[Found | Lack]:
    """A cloud trail's call that an agent of ours made (session, user agent or call id say so) as a user identity, or with
    an access key or role session that is not its task's: bound is a role session named after the task, token or instance.
    """
    step = scene.step
    if step.seq is not None:
        if scene.second and step.tool is not None:
            mine.setdefault("calls", {}).update(dict.fromkeys(by_call(step), step.agent))
        return
    identity = step.ext.get("userIdentity")
    if not isinstance(identity, dict):
        return
    mine["trail"] = True
    agent = _whose(scene, mine, identity)
    if agent is None:
        return
    mine["ours"] = True
    if (why := _unbound(scene, identity)) is not None:
        yield Found(f"{agent}/{identity.get('arn')}", f"{agent} called {step.tool} as {why}", [step.ref()])


def _whose(scene: Scene, mine: Memory, identity: dict[str, Any]) -> str | None:
    calls = mine.get("calls", {})
    if (agent := next((calls[key] for key in by_call(scene.step) if calls.get(key) is not None), None)) is not None:
        return str(agent)
    session, user_agent = _session(identity), str(scene.step.ext.get("userAgent") or "")
    task = scene.world.tasks.get(session)
    token = scene.world.tokens.get(session)
    if (held := task or token) is not None and held.agent is not None:
        return held.agent
    words = {session, *user_agent.replace("/", " ").split()}
    return next((name for name in scene.world.agents if name in words), None)


def _session(identity: dict[str, Any]) -> str:
    arn = identity.get("arn")
    return arn.rpartition("/")[2] if isinstance(arn, str) and identity.get("type") == "AssumedRole" else ""


def _unbound(scene: Scene, identity: dict[str, Any]) -> str | None:
    kind, key = identity.get("type"), str(identity.get("accessKeyId") or "")
    who = identity.get("arn") or identity.get("userName") or kind
    if kind in _PERSONS:
        return f"the user identity {who}"
    if key.startswith("AKIA"):
        return f"the long-lived access key {key} of {who}"
    session = _session(identity)
    bound = session in scene.world.tasks or session in scene.world.tokens or any(
        task.inst == session for task in scene.world.tasks.values()
    )  # fmt: skip
    return None if bound else f"{who}, a session that is no task's"
