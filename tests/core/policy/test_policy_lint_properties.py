"""Lint of generated policies: no verdict that a call contradicts, no witness that the evaluator does not confirm."""

from __future__ import annotations

from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from nhictl.core.policy.analysis.lint.findings import Finding
from nhictl.core.policy.analysis.lint.run import lint
from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.decide import decide
from nhictl.core.policy.explain import explain
from tests.core.policy.analysis_help import NOW_US, Call, Rules, allowed, policy, some_calls
from tests.core.policy.policy_help import make_agent
from tests.core.policy.test_policy_properties import rule_lists

seeds = st.integers(0, 1 << 30)
bounded = settings(max_examples=60, deadline=None, derandomize=True)


def named(found: list[Finding], rule: str) -> set[str]:
    return {one.name for one in found if one.rule == rule}


def applied(of: Policy, call: Call) -> set[str]:
    return {row["rule"] for row in explain(of, *call) if row["applies"]}


def check(rules: Rules, calls: list[Call], agents: list[Any] | None = None) -> None:
    whole = policy(rules)
    found = lint(whole, agents, NOW_US)
    for one in found:
        event(one.rule)
        if one.witness is not None:
            assert one.decision is not None
            again = decide(whole, one.witness.agent, one.witness.request)
            assert (again.reason, again.rules) == (one.decision.reason, one.decision.rules)
    never, dead = named(found, "never-matches"), named(found, "permit-fully-forbidden")
    spare, idle = named(found, "permit-redundant"), named(found, "forbid-without-effect")
    closed = named(found, "tool-uncallable")
    without_permits = policy([rule for rule in rules if rule["id"] not in spare])
    without_forbids = policy([rule for rule in rules if rule["id"] not in idle])
    nothing = bool(named(found, "denies-everything"))
    for call in calls:
        seen = applied(whole, call)
        assert not seen & never
        assert not seen & dead or decide(whole, *call).reason == "forbidden"
        assert decide(whole, *call).allowed is decide(without_permits, *call).allowed
        assert decide(whole, *call).allowed is decide(without_forbids, *call).allowed
        assert allowed(whole, call) is None or not (nothing or call[1].tool in closed)


@bounded
@given(rule_lists, seeds)
def test_no_call_contradicts_a_verdict(rules: Rules, seed: int) -> None:
    check(rules, some_calls(seed, 60))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(rule_lists, seeds)
def test_nor_one_by_an_agent_of_the_registry(rules: Rules, seed: int) -> None:
    agents = [make_agent(), make_agent(name="other", env=None, trust=1, groups=["g"])]
    check(rules, some_calls(seed, 40, agents), agents)
