"""The comparison of two policies against the evaluator: regions are exact, whatever was generated."""

from __future__ import annotations

from hypothesis import event, given, settings
from hypothesis import strategies as st

from nhictl.core.policy.analysis.compare import Comparison, compare
from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.registry import Agent
from tests.core.policy.analysis_help import NOW_US, Call, Rules, allowed, policy, some_calls
from tests.core.policy.policy_help import document, make_agent
from tests.core.policy.test_policy_properties import DATA, TOOLS, rule_lists

bounded = settings(max_examples=60, deadline=None, derandomize=True)
few = settings(max_examples=25, deadline=None, derandomize=True)
seeds = st.integers(0, 1 << 30)


def check(old: Policy, new: Policy, asked: list[Call], agents: list[Agent] | None = None) -> Comparison:
    """Every region's witness is decided differently, and every call lies in a region if and only if it is, too."""
    found = compare(old, new, agents, NOW_US)
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
@given(rule_lists, rule_lists, seeds)
def test_regions_are_exact(one: Rules, other: Rules, seed: int) -> None:
    check(policy(one), policy(other), some_calls(seed, 60))


@few
@given(rule_lists, rule_lists, seeds)
def test_one_more_rule_changes_one_way(one: Rules, more: Rules, seed: int) -> None:
    added = {**more[0], "id": "new"}
    found = check(policy(one), policy([*one, added]), some_calls(seed, 30))
    if added["effect"] == "forbid":
        assert not found.gained
        assert found.verdict in ("equivalent", "narrower", "undecided")
    else:
        assert not found.lost
        assert found.verdict in ("equivalent", "wider", "undecided")


@few
@given(rule_lists, rule_lists, seeds)
def test_with_a_registry_only_its_agents_count(one: Rules, other: Rules, seed: int) -> None:
    agents = [make_agent(), make_agent(name="other", env=None, trust=1, groups=["g"])]
    found = check(policy(one), policy(other), some_calls(seed, 40, agents), agents)
    assert {region.witness.agent.name for region in found.gained + found.lost} <= {"bot", "other"}


@few
@given(rule_lists)
def test_order_and_split_change_nothing(rules: Rules) -> None:
    head = {"tools": TOOLS, "data": DATA}
    parts = [document(**head, rules=rules[:1])] + ([document(rules=rules[:0:-1])] if rules[1:] else [])
    split = parse_policy([(f"{n}.yaml", part) for n, part in enumerate(parts)])
    assert compare(policy(rules), split, None, NOW_US).verdict == "equivalent"
