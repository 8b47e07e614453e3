"""Short forms for the policy tests: a small policy from its rules, an agent, and the decision on one request."""

from __future__ import annotations

import json
from typing import Any

from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.decide import Decision, decide
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.registry import Agent
from nhictl.core.policy.request import Request

MONDAY_NOON_US = 1_795_435_200_000_000  # 2026-11-23T12:00:00Z

CATALOGUE: dict[str, Any] = {
    "pay.send": {
        "args": {
            "amount": "number",
            "currency": "string",
            "memo": {"type": "string", "optional": True},
            "tags": {"type": ["string"], "optional": True},
            "payee": {"type": {"name": "string", "bic": {"type": "string", "optional": True}}, "optional": True},
        }
    },
    "crm.read": {"args": {"query": "string"}, "resource": "uri"},
}


def document(**parts: Any) -> bytes:
    """A policy document as JSON, which is YAML too."""
    return json.dumps({"nhictl_policy": 1, **parts}).encode()


def make_policy(rules: list[dict[str, Any]], **parts: Any) -> Policy:
    """A policy over the small catalogue; rules without an id are numbered."""
    numbered = [{"id": f"R{number}", "effect": "permit", **rule} for number, rule in enumerate(rules)]
    body = {"tools": CATALOGUE, **parts}
    if numbered:
        body["rules"] = numbered
    return parse_policy([("p.yaml", document(**body))])


def make_agent(**attributes: Any) -> Agent:
    """An active agent in prod with trust 2."""
    given = {"name": "bot", "owner": "o@corp.example", "purpose": "tests", "env": "prod", "trust": 2, **attributes}
    return Agent(**given)


def ask(policy: Policy | None, tool: str = "pay.send", agent: Agent | None = None, **parts: Any) -> Decision:
    """Decide for `bot`; pay.send gets its two required arguments unless `args` says otherwise."""
    agent = agent or make_agent()
    defaults: dict[str, Any] = {"amount": 10, "currency": "EUR"} if tool == "pay.send" else {"query": "q"}
    given = {"now_us": MONDAY_NOON_US, **parts}
    args = {**defaults, **given.pop("args", {})}
    return decide(policy, agent, Request(agent.name, tool, args, **given))
