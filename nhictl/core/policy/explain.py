"""The rule table behind a decision: what every rule of the tool said, condition by condition, with the values seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.catalogue import InvalidRequestError
from nhictl.core.policy.condition import FALSE, TRUE, UNKNOWN, result_name
from nhictl.core.policy.decide import gather

if TYPE_CHECKING:
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.facts import Facts
    from nhictl.core.policy.plan import Rule
    from nhictl.core.policy.registry import Agent
    from nhictl.core.policy.request import Request

__all__ = ["explain", "explain_limits"]


def explain(policy: Policy | None, agent: Agent | None, request: Request) -> list[dict[str, Any]]:
    """Return one row per rule that names the tool, forbids first, then by id; nothing for a request that is not valid.

    A row has `rule`, `effect`, `result` (true, false, unknown), `applies`, `description`, and `conditions` with fact,
    operator, operand, the value seen (null if absent) and the result of each.
    """
    if policy is None:
        return []
    try:
        facts, _ = gather(policy, agent, request)
    except InvalidRequestError:
        return []
    tool = policy.tool(request.tool)
    rules = policy.rules_for(tool) if tool is not None else []
    return [_row(rule, facts) for rule in sorted(rules, key=lambda r: (r.effect != "forbid", r.id))]


def explain_limits(policy: Policy, agent: Agent | None, request: Request) -> list[dict[str, Any]]:
    """The same rows for the limits that may count a call of the tool; `applies` where one does count it."""
    try:
        facts, _ = gather(policy, agent, request)
    except InvalidRequestError:
        return []
    tool = policy.tool(request.tool)
    limits = policy.limits(tool) if tool is not None and policy.limited else []
    return [{**_row(limit.rule, facts), "effect": "limit"} for limit in limits]


def _row(rule: Rule, facts: Facts) -> dict[str, Any]:
    results = [test.run(facts) for test in rule.tests]
    result = FALSE if FALSE in results else UNKNOWN if UNKNOWN in results else TRUE
    return {
        "rule": rule.id,
        "effect": rule.effect,
        "result": result_name(result),
        "applies": result != FALSE if rule.effect == "forbid" else result == TRUE,
        "description": rule.form["description"],
        "conditions": [test.show(facts) for test in rule.tests],
    }
