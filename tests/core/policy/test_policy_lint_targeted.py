"""Every "never matches" is asked again ten thousand times, by calls that go for the rule."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from nhictl.core.policy.analysis.lint.run import lint
from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.explain import explain
from nhictl.core.policy.registry import Agent
from nhictl.core.policy.request import Request
from nhictl.core.policy.types import ArgType, Refused
from tests.core.policy import generated
from tests.core.policy.policy_help import MONDAY_NOON_US

CALLS = 10_000
WANTED = 6
Found = tuple[dict[str, Any], dict[str, Any]]


def rules_named(verdict: str) -> list[Found]:
    """The first few generated rules of which lint says so, each with the policy it stands in alone; every kind of effect."""
    found: list[Found] = []
    for seed in range(200):
        document = generated.document(Random(seed))
        policy = parse_policy([("p", generated.as_bytes(document))])
        names = {one.name for one in lint(policy, None, MONDAY_NOON_US) if one.rule == verdict}
        found += [({**document, "rules": [rule]}, rule) for rule in document["rules"] if rule["id"] in names]
        if len(found) >= WANTED and {rule["effect"] for _, rule in found} == {"permit", "forbid"}:
            break
    return found


def operands(policy: Policy, rule: dict[str, Any]) -> dict[str, list[Any]]:
    """The values that a rule's conditions name, by fact, with those beside them, as far as a call may have them."""
    when = dict(rule.get("when", {}))
    made: dict[str, list[Any]] = {}
    for box in (when, *when.pop("any", [])):
        for path, body in box.items():
            for op, operand in body.items() if path != "time" else ():
                if op not in {"has", "absent_ok", "same_as"}:
                    made.setdefault(path, []).extend(one for one in near(operand) if valid(policy, path, one))
    return {path: values for path, values in made.items() if values}


def valid(policy: Policy, path: str, value: Any) -> bool:
    tool = policy.tool("t.all")
    of = tool.argument_type(path.removeprefix("args.")) if tool is not None else None
    if path == "resource":
        of = ArgType("uri")
    try:
        (of.item or of).normal(value) if of is not None else None
    except Refused:
        return False
    return True


def near(operand: Any) -> list[Any]:
    if isinstance(operand, list):
        return [value for item in operand for value in near(item)]
    if isinstance(operand, str):
        return [operand, operand.replace("*", ""), operand.replace("*", "b"), operand.rstrip("/") + "/b"]
    return [operand] if isinstance(operand, bool) else [operand - 1, operand, operand + 1, operand + 0.5]


def targeted(r: Random, rule: dict[str, Any], values: dict[str, list[Any]]) -> tuple[Agent, Request]:
    """A call by somebody the rule matches, for what and of what it matches, mostly with the values it names."""
    match = rule["match"]
    agent = r.choice(generated.agents(r))
    agent.name = r.choice(match.get("agents", ["bot"])).replace("*", "y") if r.random() < 0.9 else agent.name
    agent.groups = tuple(sorted({*agent.groups, *match.get("groups", [])}))
    agent.env = r.choice(match["env"]) if "env" in match else agent.env
    agent.trust = max(agent.trust, match.get("min_trust", 0))
    while True:
        call = generated.request(r, agent)
        if not {"t.*", call.tool}.isdisjoint(match["tools"]):
            break
    if "intents" in match and r.random() < 0.9:
        call.intent = r.choice(match["intents"]).replace("*", r.choice(["", "x"]))
    for path, choices in values.items():
        head, _, name = path.partition(".")
        if r.random() < 0.3:
            continue
        if path in {"agent.env", "env", "agent.owner", "agent.attested", "agent.trust"}:
            setattr(agent, path.removeprefix("agent."), r.choice(choices))
        elif path == "agent.groups":
            agent.groups = tuple(sorted({*match.get("groups", []), *r.sample(choices, 1)}))
        elif path.startswith("agent.labels."):
            agent.labels = {**agent.labels, path[13:]: r.choice(choices)}
        elif path == "task.intent" and "intents" not in match:
            call.intent = r.choice(choices)
        elif head == "task" and name != "intent":
            call.task = {**(call.task or {}), name: r.choice(choices)}
        elif head == "token":
            call.token = {**(call.token or {}), name: r.choice(choices)}
        if head == "args" and "." not in name and call.tool == "t.all":
            many = generated.TYPES[name].endswith("[]")
            call.args[name] = r.sample(choices, min(len(choices), r.randint(1, 2))) if many else r.choice(choices)
        elif head == "context":
            call.context[name] = r.choice(choices)
        elif path == "resource" and call.tool == "t.all":
            call.resource = str(r.choice(choices))
    if call.task is not None and "intent" in call.task:
        call.task = {**call.task, "intent": call.intent}
    return agent, call


@pytest.fixture(scope="module")
def never() -> list[Found]:
    return rules_named("never-matches")


def test_no_targeted_call_meets_a_rule_that_never_matches(never: list[Found]) -> None:
    assert len(never) >= WANTED
    for number, (document, rule) in enumerate(never[:WANTED]):
        policy, r = _policy(document), Random(number)
        values = operands(policy, rule)
        seen = 0
        while seen < CALLS:
            agent, call = targeted(r, rule, values)
            rows = explain(policy, agent, call)
            seen += bool(rows)  # none: no valid call
            assert not any(row["applies"] for row in rows), (rule, call.args)


def test_the_same_calls_meet_nearly_every_other_rule() -> None:
    """The positive control: of rules that may match, hardly one is not met by such calls."""
    met = tried = 0
    for seed in range(12):
        document = generated.document(Random(seed))
        unmet = {one.name for one in lint(_policy(document), None, MONDAY_NOON_US) if one.rule == "never-matches"}
        for rule in document["rules"]:
            if rule["id"] in unmet:
                continue
            policy, r = _policy({**document, "rules": [rule]}), Random(seed)
            values = operands(policy, rule)
            tried += 1
            for _ in range(1000):
                agent, call = targeted(r, rule, values)
                if any(row["applies"] for row in explain(policy, agent, call)):
                    met += 1
                    break
    assert tried > 20
    assert met >= 0.8 * tried, (met, tried)


def _policy(document: dict[str, Any]) -> Policy:
    return parse_policy([("p", generated.as_bytes(document))])
