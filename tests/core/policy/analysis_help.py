"""Policies and calls for the tests of the analysis: the vocabulary of the property tests, with calls drawn by a seed."""

from __future__ import annotations

import random
from typing import Any

from nhictl.core.policy.analysis.sets import outcome
from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.decide import decide
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.registry import Agent
from nhictl.core.policy.request import Request
from tests.core.policy.policy_help import MONDAY_NOON_US, document, make_agent
from tests.core.policy.test_policy_properties import DATA, TOOLS

Rules = list[dict[str, Any]]
Call = tuple[Agent, Request]
NOW_US = MONDAY_NOON_US
WORDS = ["a", "ab", "b", "a/b", "", "c", "aXb", "a/x"]
NUMBERS = [0, 1, 2, 2.5, -1, 1.5, 3, -2, 0.5]
RESOURCES = ["s3://a", "s3://a/b", "s3://a/b/c", "s3://a-b", "s3://c/d", "s3://z"]


def policy(rules: Rules, **parts: Any) -> Policy:
    """A policy over the catalogue of the property tests."""
    body = {"tools": TOOLS, "data": DATA, **({"rules": rules} if rules else {}), **parts}
    return parse_policy([("p.yaml", document(**body))])


def allowed(of: Policy, call: Call) -> str | None:
    """`permitted`, `approvable` or None."""
    return outcome(decide(of, *call))


def some_calls(seed: int, count: int, agents: list[Agent] | None = None) -> list[Call]:
    """Calls that are valid, with each fact now there, now missing."""
    rng = random.Random(seed)
    return [_call(rng, agents) for _ in range(count)]


def _call(rng: random.Random, agents: list[Agent] | None) -> Call:
    tool = rng.choice(["a.x", "a.y"])
    args: dict[str, Any] = {}
    if rng.random() < 0.7:
        args["n"] = rng.choice(NUMBERS)
    if rng.random() < 0.7:
        args["s"] = rng.choice(WORDS)
    if rng.random() < 0.7:
        args["l"] = [rng.choice(WORDS) for _ in range(rng.randrange(4))]
    context = {"k": rng.choice([*WORDS, *NUMBERS, True, False])} if rng.random() < 0.7 else {}
    agent = rng.choice(agents) if agents else make_agent(
        name=rng.choice(["bot", "other", "b1"]), env=rng.choice(["prod", "dev", None]), trust=rng.randrange(4),
        groups=rng.choice([[], ["g"], ["h"], ["g", "h"]]),
    )  # fmt: skip
    return agent, Request(
        agent.name, tool, args, rng.choice(RESOURCES) if tool == "a.x" else None, rng.choice([None, "pay", "play"]),
        NOW_US, context, token=rng.choice([None, {"ttl_s": 1}, {"ttl_s": 2}, {"ttl_s": 3}]),
    )  # fmt: skip
