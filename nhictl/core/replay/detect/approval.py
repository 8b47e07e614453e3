"""Detection on approvals: a call that needed a human's yes and had none of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.replay.detect.rule import Found, Lack, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nhictl.core.replay.detect.rule import Memory
    from nhictl.core.replay.detect.scene import Scene


@rule(
    "APPROVAL_GAP", "high-impact call without its approval", "critical",
    "OWASP-ASI-2026:ASI09 OWASP-ASI-2026:ASI05 NIST-AI-RMF:GOVERN-3.2",
    "an approver and a requester who share one user id on purpose", needs_policy=True,
    on="token.used tool.called",
)  # fmt: skip
def approval_gap(scene: Scene, mine: Memory) -> Iterator[Found | Lack]:
    """An allowed call of a class that requires approval, outside its guardrails, without an earlier grant for the same
    task, tool and argument commitment that no other call had used; or whose only grant is unsigned and by the user who
    made the call.
    """
    step = scene.step
    if step.tool is None or not step.allowed or step.seq is None or step.task is None:
        return
    policy = scene.policy()
    if policy is None:
        yield Lack(scene.lost() or "the policy")
        return
    tool = policy.tool(step.tool)
    needed = [gate.name for gate in policy.gates(tool) if _needs(scene, policy, gate)] if tool is not None else []
    if not needed:
        return
    found = _granted(scene, mine)
    classes = ", ".join(needed)
    if found is None:
        message = f"{step.tool} ({classes}) was let pass, and nobody had approved it"
        yield Found(f"{step.task}/{step.tool}", message, [step.ref()])
        return
    mine[found["request"]] = step.seq
    selfmade = [one for one in found["granted"] if _by_requester(one["step"], found["requested"]["step"])]
    if len(selfmade) == len(found["granted"]):
        ref = found["granted"][0]["mark"].ref()
        message = f"{step.tool} ({classes}) was approved by the user who asked for it, unsigned"
        yield Found(f"{step.task}/{step.tool}", message, [found["requested"]["mark"].ref(), ref, step.ref()])


def _needs(scene: Scene, policy: Any, gate: Any) -> bool:
    if gate.requires not in ("approval", "guardrail_or_approval"):
        return False
    rails = policy.form.get("guardrails", {})
    passed = [rails.get(name, {}).get("class") for name in scene.step.ext.get("guardrails") or ()]
    return gate.requires == "approval" or gate.name not in passed


def _granted(scene: Scene, mine: Memory) -> dict[str, Any] | None:
    step = scene.step
    named = step.ext.get("approvals") or ()
    for request in scene.world.requests.get(step.task or "", ()):
        held = scene.world.approvals[request]
        asked = held.get("requested")
        if asked is None or not held["granted"] or request in mine or "denied" in held:
            continue
        other = asked["step"]
        if other.task != step.task or other.tool != step.tool:
            continue
        if request in named or ("args" in step.c and other.c.get("args") == step.c["args"]):
            return {**held, "request": request}
    return None


def _by_requester(grant: Any, asked: Any) -> bool:
    if grant.ext.get("signed"):
        return bool(grant.ext.get("approver") == asked.agent)
    return bool(grant.actor.get("id") == asked.actor.get("id"))
