"""The decision: validate, classify, match three-valued, forbid overrides, else permit, else deny (reference
`policy.md` §2).

A pure function: the same policy, agent and request give the same bytes. Nothing a request leaves out can gain it
anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.catalogue import InvalidRequestError
from nhictl.core.policy.condition import FALSE, TRUE
from nhictl.core.policy.facts import NO_CLAIMS, Facts, claims_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.limits import Charge, Counters, Exceeded
    from nhictl.core.policy.plan import Plan, Rule
    from nhictl.core.policy.registry import Agent
    from nhictl.core.policy.request import Request

__all__ = ["Decision", "decide", "gather"]

NO_POLICY = "no policy is active, so every call is denied; put one in force with: nhictl policy activate FILE"


class Decision:
    """Allow or deny, why, and on account of which rules.

    `arguments` and `resource` are the normal forms that were decided upon, and what the tool must receive; both are
    None where the request was not valid. `charges` is what an allowed call takes from which counters.
    """

    __slots__ = (
        "allowed", "approvals", "arguments", "charges", "classes", "digest", "exceeded", "field", "gates", "guardrails",
        "message", "nearest", "obligations", "reason", "resource", "rules",
    )  # fmt: skip

    def __init__(
        self,
        reason: str,
        digest: str | None,
        rules: list[str] | None = None,
        obligations: list[dict[str, Any]] | None = None,
        message: str | None = None,
        field: str | None = None,
    ) -> None:
        self.reason = reason
        self.allowed = reason == "permitted"
        self.digest = digest
        self.rules = rules or []
        self.obligations = obligations or []
        self.nearest: tuple[Plan, Facts] | None = None
        self.message = message
        self.field = field
        self.arguments: dict[str, Any] | None = None
        self.resource: str | None = None
        self.classes: tuple[str, ...] = ()
        self.guardrails: list[str] = []
        self.gates: list[dict[str, Any]] = []
        self.approvals: list[str] = []
        self.exceeded: Exceeded | None = None
        self.charges: Sequence[Charge] = ()

    @property
    def near_misses(self) -> list[dict[str, Any]]:
        """The permits that failed fewest conditions, with what failed; told only when asked, since most callers never do."""
        if self.nearest is None:
            return []
        from nhictl.core.policy.near_miss import near_misses

        return near_misses(*self.nearest)

    def to_json(self) -> dict[str, Any]:
        """Return the decision as JSON. `message` and `field` only where they say something; `classes`, the `guardrails` that
        contain the call and the `gates` that are shut, with why, only for a tool that is in a class; `approvals` where one
        let the call pass; `limit`, `used`, `max`, `resets` and more where a limit does not hold.
        """
        made: dict[str, Any] = {
            "decision": "allow" if self.allowed else "deny",
            "reason": self.reason,
            "rules": self.rules,
            "obligations": self.obligations,
            "near_misses": self.near_misses,
            "policy": {"digest": self.digest},
        }
        if self.classes:
            made |= {"classes": list(self.classes), "guardrails": self.guardrails, "gates": self.gates}
        if self.approvals:
            made["approvals"] = self.approvals
        if self.exceeded is not None:
            made |= self.exceeded.to_json()
        if self.message is not None:
            made["message"] = self.message
        if self.field is not None:
            made["field"] = self.field
        return made


def decide(
    policy: Policy | None,
    agent: Agent | None,
    request: Request,
    supported_obligations: frozenset[str] | None = None,
    counters: Counters | None = None,
    approvals: Mapping[str, str] = NO_CLAIMS,
    *,
    weighed: bool = True,
) -> Decision:
    """Decide one request. `supported_obligations` names what the enforcement point can perform; None means anything.

    `counters` tells what limits stand at (None: nothing was used yet); nothing is reserved here. `approvals` maps a class
    to the approval that was found good for this very call. Without `weighed` limits are left out.
    """
    if policy is None:
        return Decision("not_permitted", None, message=NO_POLICY)
    try:
        facts, plan = gather(policy, agent, request)
    except InvalidRequestError as e:
        return Decision("invalid_request", policy.digest, message=str(e), field=e.field)
    if "tool.digest" in request.context and (drift := _drift(policy, request)) is not None:
        return drift
    forbids = []
    for rule, tests in plan.forbids:
        for test in tests:
            if test(facts) == FALSE:
                break
        else:  # true or unknown: a forbid applies
            forbids.append(rule)
    if forbids:
        made = Decision("forbidden", policy.digest, [rule.id for rule in forbids], _union(forbids))
    else:
        made = _permit(policy, plan, facts, request, supported_obligations, counters, approvals, weighed)
    made.arguments = facts.arguments
    made.resource = facts.resource
    made.classes, made.guardrails = facts.classes, facts.guardrails
    return made


def _drift(policy: Policy, request: Request) -> Decision | None:
    """The denial of a call of a tool that is described otherwise now than when the catalogue was made."""
    tool = policy.tool(request.tool)
    if tool is None or tool.digest is None or tool.digest == request.context["tool.digest"]:
        return None
    message = f"tool `{tool.name}` is described otherwise now than when it was declared"
    return Decision("tool_drift", policy.digest, message=message, field="tool")


def _permit(
    policy: Policy, plan: Plan, facts: Facts, request: Request, supported: frozenset[str] | None,
    counters: Counters | None, approvals: Mapping[str, str], weighed: bool,
) -> Decision:  # fmt: skip
    permits = []
    for rule, tests in plan.permits:
        for test in tests:
            if test(facts) != TRUE:
                break
        else:
            permits.append(rule)
    if not permits:
        made = Decision("not_permitted", policy.digest)
        facts.context = dict(facts.context)  # the caller may reuse its own before the near misses are asked for
        made.nearest = (plan, facts)
        return made
    ids, obligations = [rule.id for rule in permits], _union(permits)
    given: list[str] = []
    if facts.classes:
        shut, given = _shut(policy, facts, ids, obligations, approvals)
        if shut is not None:
            return shut
    charges: Sequence[Charge] = ()
    if policy.limited and weighed:
        over, charges = _weigh(policy, facts, request, counters)
        if over is not None:
            return over
    if supported is not None:
        for obligation in obligations:
            if obligation["type"] not in supported:
                message = f"obligation `{obligation['type']}` cannot be performed here"
                return Decision("not_permitted", policy.digest, ids, obligations, message=message)
    made = Decision("permitted", policy.digest, ids, obligations)
    made.approvals, made.charges = given, charges
    return made


def _weigh(
    policy: Policy, facts: Facts, request: Request, counters: Counters | None
) -> tuple[Decision | None, Sequence[Charge]]:  # fmt: skip
    """The denial of a call that a limit has no room for, or None and what the call takes."""
    from nhictl.core.policy.limits import weigh

    tool = policy.tool(facts.tool)
    over, charges = weigh(policy.limits(tool), tool, facts, request, counters) if tool is not None else ([], [])
    if not over:
        return None, charges
    made = Decision("limit_exceeded", policy.digest, [one.limit for one in over], message=str(over[0]))
    made.exceeded = over[0]
    return made, ()


def _shut(
    policy: Policy, facts: Facts, ids: list[str], obligations: list[dict[str, Any]], approvals: Mapping[str, str]
) -> tuple[Decision | None, list[str]]:
    """The denial of a call that a class of its tool holds back, or None and the approvals that let it pass; a guardrail
    that does is noted.
    """
    from nhictl.core.policy.gates import pass_gates

    tool = policy.tool(facts.tool)
    passage = pass_gates(policy.gates(tool) if tool is not None else [], facts, approvals)
    facts.guardrails = passage.guardrails
    if not passage.shut:
        return None, passage.approvals
    first = passage.shut[0]
    message = f"class `{first['class']}` requires {first['requires'].replace('_', ' ')}"
    made = Decision("approval_required", policy.digest, ids, obligations, message=message)
    made.gates = passage.shut
    return made, []


def gather(policy: Policy, agent: Agent | None, request: Request) -> tuple[Facts, Plan]:
    """Validate a request (step 1) and return its facts and the agent's plan; raise `InvalidRequestError` with the
    field.
    """
    if agent is None:
        raise InvalidRequestError("agent", f"names no registered agent: `{request.agent}`")
    if request.agent != agent.name and request.agent not in agent.aliases:
        raise InvalidRequestError("agent", f"is `{request.agent}`, but the agent at hand is `{agent.name}`")
    if agent.state != "active":
        raise InvalidRequestError("agent", f"is {agent.state}: `{agent.name}`")
    if agent.expires_us is not None and request.now_us >= agent.expires_us:
        raise InvalidRequestError("agent", f"has expired: `{agent.name}`")
    tool = policy.tool(request.tool)
    if tool is None:
        raise InvalidRequestError("tool", f"is not declared: `{request.tool}`")
    arguments, flat, resource = tool.validate(request.args, request.resource)
    claims = claims_of(request)
    facts = Facts(agent, tool.name, flat, resource, claims, request.context, request.now_us, policy.sensitivity_rank)
    facts.arguments = arguments
    if gates := policy.gates(tool):
        facts.classes = tuple(gate.name for gate in gates)
    return facts, policy.plan(tool, agent)


def _union(rules: list[Rule]) -> list[dict[str, Any]]:
    """Every obligation of the determining rules, once, in an order that depends on nothing but its content."""
    found: dict[str, dict[str, Any]] = {}
    for rule in rules:
        found.update(rule.obligations)
    return [found[key] for key in sorted(found)]
