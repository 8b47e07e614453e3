"""Detections on what flows where: untrusted text into calls, secrets out, a denied thing done another way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core.policy.resource import Refused, normal_resource, under
from nhictl.core.replay.detect.carried import Run, Runs, texts
from nhictl.core.replay.detect.rule import Found, Lack, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nhictl.core.policy.compiled import Policy
    from nhictl.core.replay.authority.step import Step
    from nhictl.core.replay.detect.rule import Memory
    from nhictl.core.replay.detect.scene import Scene

_CALLS: Final = ("tool.called", "token.used", "token.denied")
_SHORTEST: Final = 6
_BYPASS_US: Final = 600_000_000
_HELD: Final = 4096
"""Resources with a denial from when on those that are long over are let go of."""
_RECIPIENTS: Final = ("email", "host", "uri")


@rule(
    "UNTRUSTED_ARG", "argument that a tool's result put there", "high", "OWASP-ASI-2026:ASI01 OWASP-ASI-2026:ASI02",
    "a task that has to carry a value to a tool nobody foresaw (0.8 % of benign runs of a public benchmark)",
    foreign=True,
    on="token.used token.denied tool.called tool.returned task.opened "
       "task.closed task.killed message.user message.system message.developer message.added",
)  # fmt: skip
def untrusted_arg(scene: Scene, mine: Memory) -> Iterator[Found | Lack]:
    """A side-effecting call with an argument of 6 characters or more that stands in an earlier tool result of its run and
    not in the prompt; alerts only for a call that is TASK_DRIFT as well. Side-effecting is what the policy in force has in
    a class, and, without classes, every tool whose name does not begin with a word for reading.
    """
    step = scene.step
    runs: Runs = mine["runs"] if mine else mine.setdefault("runs", Runs())
    if step.type in ("task.closed", "task.killed"):
        runs.end(step.run)
        return
    run = runs.take(step.run)
    if step.type == "tool.returned":
        run.seen.add(run.room(step.content("result")))
    elif step.type in _PROMPTS and step.ext.get("role") not in ("assistant", "tool"):
        for label in ("prompt", "purpose"):
            if (told := step.content(label)) is not None:
                run.prompted = run.prompted or label == "prompt"
                run.prompt.add(run.room(told))
    elif step.type in _CALLS and step.tool is not None:
        if run.waiting and step.pspan != run.of:  # calls of one message cannot have seen each other's results
            run.seen.add(run.waiting)
            run.waiting = []
        yield from _untrusted(scene, run)
        if (result := step.content("result")) is not None:
            run.of = step.pspan
            if step.pspan is not None:
                run.waiting += run.room(result)
            else:
                run.seen.add(run.room(result))
    runs.put(step.run, run)


_PROMPTS: Final = ("task.opened", "message.user", "message.system", "message.developer", "message.added")


def _untrusted(scene: Scene, run: Run) -> Iterator[Found | Lack]:
    step = scene.step
    drifts, missing = scene.drift()
    if drifts is False or not scene.acts():
        return
    if step.lacks("args"):
        yield Lack("the arguments of a call")
    if step.args is None or not (run.seen or run.full):
        return
    carried = sorted({text for text in texts(step.args) if _from_results(text, run)})
    if not carried:
        if run.full:
            yield Lack("what a run was told besides the 2 MiB that are kept of it")
        return
    if drifts is None:
        yield Lack(missing)
    elif not run.prompted:
        yield Lack("the prompt")
    else:
        shown = ", ".join(f"`{text[:60]}`" for text in carried[:3])
        message = f"{step.tool}, which the task does not name, was given {shown} from an earlier result"
        yield Found(f"{step.task or step.run}/{step.tool}", message, [step.ref()])


def _from_results(text: str, run: Run) -> bool:
    wanted = text.strip()
    return len(wanted) >= _SHORTEST and run.seen.hold(wanted) and not run.prompt.hold(wanted)


def _marked(policy: Policy, tool: str, mark: str) -> list[dict[str, Any]]:
    classes = policy.form.get("classes", {}).values()
    return [one for one in classes if mark in one.get("marks", ()) and tool in one["tools"]]


@rule(
    "SECRET_THEN_EGRESS", "secret read, then something sent out", "critical",
    "OWASP-ASI-2026:ASI02 OWASP-NHI-2025:NHI2", "a recipient that the policy's class does not list yet",
    needs_policy=True, foreign=True,
    on="token.used tool.called",
)  # fmt: skip
def secret_then_egress(scene: Scene, mine: Memory) -> Iterator[Found | Lack]:
    """An allowed call of a class that the policy marks `secret`, and later in the same task an allowed call of a class it
    marks `egress`, to a resource or recipient that no `allow` of that class covers. A call that names neither counts as
    going elsewhere. Recipients are the arguments typed email, host or uri.
    """
    step = scene.step
    if step.tool is None or not step.allowed or (step.task or step.run) is None:
        return
    policy = scene.policy()
    if policy is None:
        yield Lack(scene.lost() or "the policy")
        return
    if not any(one.get("marks") for one in policy.form.get("classes", {}).values()):
        yield Lack("a class of the policy that is marked secret or egress")
        return
    task = step.task or step.run
    egress = _marked(policy, step.tool, "egress")
    if egress and task in mine:
        if step.lacks("args") or step.lacks("res"):
            yield Lack("the recipient of a call")
        else:
            places = _destinations(scene, policy)
            listed = [prefix for one in egress for prefix in one.get("allow", ())]
            outside = [place for place in places if not any(_covered(place, prefix) for prefix in listed)]
            if outside or not places:
                to = ", ".join(outside) or "an unnamed recipient"
                yield Found(f"{task}", f"a secret was read, then {step.tool} went to {to}", [mine[task], step.ref()])
    if _marked(policy, step.tool, "secret"):
        mine.setdefault(task, step.ref())


def _destinations(scene: Scene, policy: Policy) -> list[str]:
    tool = policy.tool(scene.step.tool or "")
    args = scene.step.args or {}
    if (resource := scene.resource()) is not None:
        return [resource]
    if tool is None:
        return []
    found: list[str] = []
    for name, (kind, _) in sorted(tool.args.items()):
        of = kind.item if kind.item is not None else kind
        if of.kind in _RECIPIENTS and name in args:
            value = args[name]
            found += [str(one) for one in (value if isinstance(value, list) else [value])]
    return found


def _covered(place: str, prefix: str) -> bool:
    try:
        return place == prefix or place.lower() == prefix.lower() or under(normal_resource(place), prefix)
    except Refused:
        return False


@rule(
    "DENY_THEN_BYPASS", "denied, then done another way", "high", "OWASP-ASI-2026:ASI01 OWASP-ASI-2026:ASI10",
    "two agents that rightly work on one resource, of which one asked for too much",
    on="token.used token.denied tool.called",
)  # fmt: skip
def deny_then_bypass(scene: Scene, mine: Memory) -> Iterator[Found | Lack]:
    """A denied call, and within 10 minutes an allowed one on the same resource by another tool, agent or jti. A denial
    because a token had expired or was used up is none: the next token is the ordinary way on. The resource is as the
    catalogue derives it, else as named; where it cannot be shown, by its commitment within the task.
    """
    step = scene.step
    if step.type not in _CALLS or step.tool is None or step.us is None or step.seq is None:
        return
    key = scene.resource()
    if key is None and "res" in step.c:
        key = f"{step.task} {step.c['res']}"
    if key is None:
        if step.lacks("args"):
            yield Lack("the resource of a call")
        return
    held: list[tuple[Step, int]] = [one for one in mine.get(key, ()) if step.us - one[1] <= _BYPASS_US]
    if step.outcome == "denied":
        if len(mine) >= _HELD and not len(mine) & (len(mine) - 1):
            for old in [old for old, denials in mine.items() if step.us - denials[-1][1] > 2 * _BYPASS_US]:
                del mine[old]
        if step.dec.get("reason") not in ("token_expired", "uses_exhausted", "use_required"):
            mine[key] = [*held[-19:], (step, step.us)]
        return
    for denied, _ in held:
        if (denied.tool, denied.agent, denied.jti) != (step.tool, step.agent, step.jti):
            words = [w for w, a, b in (("tool", denied.tool, step.tool), ("agent", denied.agent, step.agent),
                                       ("token", denied.jti, step.jti)) if a != b]  # fmt: skip
            named = scene.resource() or "a resource"
            message = f"{named}: denied ({denied.dec.get('reason')}), then allowed with another {' and '.join(words)}"
            yield Found(str(key), message, [denied.ref(), step.ref()])
            return
