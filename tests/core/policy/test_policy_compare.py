"""The comparison of two policies against the evaluator: regions are exact, whatever was generated."""

from __future__ import annotations

from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from nhictl.core.policy.analysis.compare import Comparison, compare
from nhictl.core.policy.analysis.sets import outcome
from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.decide import decide
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.registry import Agent
from nhictl.core.policy.request import Request
from tests.core.policy.policy_help import MONDAY_NOON_US, document, make_agent
from tests.core.policy.test_policy_properties import DATA, TOOLS, calls, rule_lists

bounded = settings(max_examples=70, deadline=None, derandomize=True)
Rules = list[dict[str, Any]]
Call = tuple[Agent, Request]


def policy(rules: Rules, **parts: Any) -> Policy:
    return parse_policy([("p.yaml", document(tools=TOOLS, data=DATA, **({"rules": rules} if rules else {}), **parts))])


def allowed(of: Policy, call: Call) -> str | None:
    return outcome(decide(of, *call))


def check(old: Policy, new: Policy, asked: list[Call], agents: list[Agent] | None = None) -> Comparison:
    """Every region's witness is decided differently, and every call lies in a region if and only if it is, too."""
    found = compare(old, new, agents, MONDAY_NOON_US)
    for region in found.gained + found.lost:
        call = (region.witness.agent, region.witness.request)
        assert allowed(old, call) != allowed(new, call), region.text
        assert region.contains(0, *call)
        assert region.contains(1, *call)
    for call in asked:
        before, after = allowed(old, call), allowed(new, call)
        gained = [region.text for region in found.gained if region.contains(1, *call)]
        lost = [region.text for region in found.lost if region.contains(0, *call)]
        if call[1].tool not in found.undecided:
            assert bool(gained) is (before is None and after is not None), (call, gained, before, after)
            assert bool(lost) is (before is not None and after is None), (call, lost, before, after)
    event(found.verdict)
    return found


@bounded
@given(rule_lists, rule_lists, st.lists(calls(), min_size=15, max_size=15))
def test_regions_are_exact(one: Rules, other: Rules, asked: list[Call]) -> None:
    check(policy(one), policy(other), asked)


@bounded
@given(rule_lists, rule_lists, st.lists(calls(), min_size=10, max_size=10))
def test_one_more_rule_changes_one_way(one: Rules, more: Rules, asked: list[Call]) -> None:
    added = {**more[0], "id": "new"}
    found = check(policy(one), policy([*one, added]), asked)
    if added["effect"] == "forbid":
        assert not found.gained
        assert found.verdict in ("equivalent", "narrower", "undecided")
    else:
        assert not found.lost
        assert found.verdict in ("equivalent", "wider", "undecided")


@bounded
@given(rule_lists, rule_lists, st.lists(calls(), min_size=10, max_size=10))
def test_with_a_registry_only_its_agents_count(one: Rules, other: Rules, asked: list[Call]) -> None:
    agents = [make_agent(), make_agent(name="other", env=None, trust=1, groups=["g"])]
    known = [(agent, Request(agent.name, r.tool, r.args, r.resource, r.intent, r.now_us, r.context, token=r.token))
             for _, r in asked for agent in agents]  # fmt: skip
    found = check(policy(one), policy(other), known, agents)
    assert {region.witness.agent.name for region in found.gained + found.lost} <= {"bot", "other"}


@bounded
@given(rule_lists)
def test_order_and_split_change_nothing(rules: Rules) -> None:
    head = {"tools": TOOLS, "data": DATA}
    parts = [document(**head, rules=rules[:1])] + ([document(rules=rules[:0:-1])] if rules[1:] else [])
    split = parse_policy([(f"{n}.yaml", part) for n, part in enumerate(parts)])
    assert compare(policy(rules), split, None, MONDAY_NOON_US).verdict == "equivalent"
