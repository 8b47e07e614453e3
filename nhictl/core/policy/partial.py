"""Deciding a call that happened, of which not everything is known: what was erased, never seen, or has no time.

Nothing missing is made up: a call is allowed only if some permit certainly holds and every forbid certainly does not, so an
answer may be `unknown` that cleverness could decide, never the other way about. Whatever a policy does not read cannot keep it
from deciding: arguments that are gone count as valid ones, an agent of a call without a time as not expired, and where nothing
is missing that the policy reads, the live engine decides (reference `policy.md` §3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.case import Case
from nhictl.core.policy.catalogue import InvalidRequestError
from nhictl.core.policy.decide import Decision, decide
from nhictl.core.policy.facts import Facts
from nhictl.core.policy.outcomes import Judgement, Partial, Reads
from nhictl.core.policy.registry import Agent
from nhictl.core.policy.request import Request

if TYPE_CHECKING:
    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.compiled import Policy

__all__ = ["Case", "Judge", "Judgement"]

_PLACEHOLDER = Agent("", "", "")


class Judge:
    """One policy, asked about many cases; None is no policy, which denies everything."""

    def __init__(self, policy: Policy | None) -> None:
        self.policy = policy
        self._reads: dict[str, Reads] = {}

    def reads(self, tool: Tool) -> Reads:
        """What this policy reads of a call of `tool`."""
        found = self._reads.get(tool.name)
        if found is None:
            assert self.policy is not None  # noqa: S101 - its tool was found in it
            found = self._reads[tool.name] = Reads(self.policy, tool)
        return found

    def judge(self, case: Case) -> Judgement:
        """Allow, deny, or unknown with what is missing."""
        policy = self.policy
        tool = policy.tool(case.tool) if policy is not None else None
        known_agent = _known_as(case)
        if policy is None or tool is None or (case.agent is None and not case.assumed and case.name is not None):
            return _decided(policy, known_agent, case)
        reads = self.reads(tool)
        missing = reads.missing(case)
        unlocated = reads.unseen_resource(case)
        doubtful = _standing(case)
        if not missing and not unlocated and not doubtful and case.args is not None and not case.erased:
            return _decided(policy, known_agent, case)
        agent = known_agent or _PLACEHOLDER
        if agent.state != "active":
            return _decided(policy, agent, case)
        try:
            facts = self.facts(tool, case)
        except InvalidRequestError as e:
            return Judgement("deny", "invalid_request", [], message=str(e))
        facts.classes = tuple(gate.name for gate in policy.gates(tool))
        made = Partial(policy, reads, facts, missing, timeless=case.now_us is None, approvals=case.approvals).judge(
            tool
        )
        if doubtful and made.decision == "allow":
            made = made._replace(decision="unknown", reason="indeterminate", missing=doubtful)
        return made

    def facts(self, tool: Tool, case: Case) -> Facts:
        """What there is of a call, in normal form; raise `InvalidRequestError`."""
        assert self.policy is not None  # noqa: S101 - its tool was found in it
        located = not self.reads(tool).unseen_resource(case)
        return _facts(self.policy, tool, _known_as(case) or _PLACEHOLDER, case, located=located)


def _known_as(case: Case) -> Agent | None:
    return case.agent if not case.assumed else Agent(case.name or "", "", "")


def _standing(case: Case) -> tuple[str, ...]:
    """What keeps it open whether the agent may act at all; one that acted at no known time had not expired."""
    return ("agent.name",) if case.name is None and not case.assumed else ()


def _request(case: Case) -> Request:
    claims: dict[str, Any] = {**case.context, **{k: v for k, v in case.claims.items() if k != "task.intent"}}
    args = case.args or {}
    return Request(case.name or "", case.tool, args, case.resource, case.intent, case.now_us or 0, claims)


def _decided(policy: Policy | None, agent: Agent | None, case: Case) -> Judgement:
    """What the live engine decides, but for limits."""
    return _of(decide(policy, agent, _request(case), approvals=case.approvals, weighed=False))


def _of(made: Decision) -> Judgement:
    return Judgement(
        "allow" if made.allowed else "deny", made.reason, made.rules, made.classes, message=made.message
    )  # fmt: skip


def _facts(policy: Policy, tool: Tool, agent: Agent, case: Case, *, located: bool) -> Facts:
    """Validate what there is; raise `InvalidRequestError`."""
    normals, flat = tool.arguments(case.args, case.erased) if case.args is not None else ({}, {})
    resource = tool.resource_of(flat, case.resource) if located else None
    claims = dict(case.claims)
    if case.intent is not None:
        claims["task.intent"] = case.intent
    facts = Facts(
        agent, tool.name, flat, resource, claims, case.context, case.now_us or 0, policy.sensitivity_rank
    )  # fmt: skip
    facts.arguments = normals
    return facts
