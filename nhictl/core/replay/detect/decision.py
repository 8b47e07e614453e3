"""A recorded call put to the policy that decided it again, as the live path put it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core.policy.catalogue import InvalidRequestError
from nhictl.core.policy.decide import decide, gather
from nhictl.core.policy.registry import Agent
from nhictl.core.policy.request import Request
from nhictl.core.replay.detect.scene import MASKED

if TYPE_CHECKING:
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.facts import Facts
    from nhictl.core.replay.detect.scene import Scene

_DECIDED: Final = frozenset({"forbidden", "not_permitted", "approval_required", "invalid_request"})
"""Denials that a policy gives; all others are the token's, the task's or the scope's."""


def agent_facts(scene: Scene, name: str) -> Agent | None:
    """A registered agent at this point of the log, as a policy sees it."""
    held = scene.world.agents.get(name)
    if held is None:
        return None
    attrs = held.attrs
    return Agent(
        held.name, str(attrs.get("owner")), "", attrs.get("env"), attrs.get("trust") or 0, attrs.get("groups") or (),
        attrs.get("labels") or {}, held.state, held.expires_us, attested=bool(attrs.get("attested")),
        aliases=attrs.get("aliases") or (),
    )  # fmt: skip


def requested(scene: Scene, policy: Policy) -> tuple[Request, Facts] | None:
    """The call as a request of the agent that made it, and its facts; None if arguments are missing or it is not valid."""
    step = scene.step
    agent = agent_facts(scene, step.agent or "")
    if agent is None or step.lacks("args") or step.lacks("res"):
        return None
    request = _request(scene, agent.name)
    try:
        return request, gather(policy, agent, request)[0]
    except InvalidRequestError:
        return None


def _request(scene: Scene, name: str) -> Request:
    step, task, token = scene.step, scene.task, scene.token
    known: dict[str, Any] | None = None
    if task is not None:
        depth = len(token.act) if token is not None else 0
        inst = token.inst if token is not None else task.inst
        known = {"id": task.id, "intent": task.intent, "principal": task.principal, "delegation_depth": depth,
                 "instance": inst}  # fmt: skip
    of_token: dict[str, Any] = {}
    if token is not None and token.expires_us is not None and token.issued.us is not None:
        issued = token.issued.us // 1_000_000
        bound = any(key in token.ext for key in ("jkt", "x5t#S256", "cnf"))
        of_token = {"ttl_s": token.expires_us // 1_000_000 - issued, "bound": bound}
    intent = task.intent if task is not None else None
    return Request(
        name, step.tool or "", step.args or {}, step.resource, intent, step.us or 0, {}, known, of_token
    )  # fmt: skip


def judge(scene: Scene) -> tuple[str, str] | str | None:
    """What the policy says of the call where that is not what was logged: (effect, reason). None: the same, or no decision
    of a policy. A text: what is missing.
    """
    step = scene.step
    effect, reason = step.dec.get("effect"), step.dec.get("reason")
    if effect not in ("allow", "deny") or (effect == "deny" and reason not in _DECIDED):
        return None
    policy = scene.policy()
    if policy is None:
        return scene.lost() or "the policy"
    for label, what in (("args", "the arguments of a call"), ("res", "the resource of a call")):
        if step.lacks(label):
            return what
    if scene.hidden(policy, lambda path: _reads(policy, path)):
        return MASKED
    if _reads_context(policy):
        return "the context of a call, which the policy reads and no record keeps"
    task, token = scene.task, scene.token
    if task is None:
        return "the task of a call"
    if task.principal is None and _reads(policy, "task.principal"):
        return "the principal of a task"
    given = _approvals(scene, policy)
    actors = [name for name in (task.agent, *reversed(token.act if token is not None else [])) if name is not None]
    said = ("allow", "permitted")
    for name in actors:
        made = decide(policy, agent_facts(scene, name), _request(scene, name), None, None, given)
        if not made.allowed:
            if made.reason == "limit_exceeded":
                return None
            said = ("deny", made.reason)
            break
    return None if said[0] == effect else said


def _approvals(scene: Scene, policy: Policy) -> dict[str, str]:
    """The classes that the recorded approvals opened."""
    named = scene.step.ext.get("approvals") or ()
    tool = policy.tool(scene.step.tool or "")
    if not named or tool is None:
        return {}
    return {gate.name: str(named[0]) for gate in policy.gates(tool)}


def _reads(policy: Policy, path: str) -> bool:
    return f'"{path}' in policy.to_json().decode()


def _reads_context(policy: Policy) -> bool:
    return _reads(policy, "context.")
