"""Limits and people in analysis: what a limit denies by itself is exact, what it denies later is said to be history."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.policy.analysis.compare import Comparison, compare
from nhictl.core.policy.analysis.lint.findings import Finding
from nhictl.core.policy.analysis.lint.run import lint
from nhictl.core.policy.analysis.openings import who_can
from nhictl.core.policy.analysis.sets import outcome
from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.decide import decide
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.limits import Counter, Used
from nhictl.core.policy.request import Request
from tests.core.policy.analysis_help import Rules, some_calls
from tests.core.policy.analysis_help import policy as vocabulary
from tests.core.policy.policy_help import CATALOGUE, MONDAY_NOON_US, document, make_agent, make_policy
from tests.core.policy.test_policy_compare import check
from tests.core.policy.test_policy_properties import rule_lists

PAY: dict[str, Any] = {"match": {"tools": ["pay.send"]}}
COST = {"amount": "args.amount", "currency": "args.currency"}
TOOLS: dict[str, Any] = {**CATALOGUE, "pay.send": {**CATALOGUE["pay.send"], "cost": COST}}
SPEND = {"id": "L", "match": {"tools": ["pay.send"]}, "per": "task", "spend": {"unit": "EUR", "max": 500}}
CALLS = {"id": "C", "per": "agent", "window": "1h", "calls": 10}
GATE: dict[str, Any] = {"classes": {"money": {"tools": ["pay.send"], "impact": "high", "requires": "approval"}}}


def limited(*limits: dict[str, Any], rules: list[dict[str, Any]] | None = None, **more: Any) -> Policy:
    parts = {"tools": TOOLS, **({"limits": list(limits)} if limits else {}), **more}
    return make_policy([{}] if rules is None else rules, **parts)


def compared(old: Policy, new: Policy) -> Comparison:
    return compare(old, new, None, MONDAY_NOON_US)


def found(policy: Policy, rule: str) -> list[Finding]:
    return [one for one in lint(policy, None, MONDAY_NOON_US) if one.rule == rule]


@pytest.mark.parametrize("gated", [{}, GATE])
def test_the_regions_of_a_changed_limit_are_those_of_the_engine_that_used_nothing(gated: dict[str, Any]) -> None:
    old = limited(SPEND, **gated)
    new = limited({**SPEND, "spend": {"unit": "EUR", "max": 800.5}}, **gated)
    made = compared(old, new)
    assert (made.verdict, made.undecided) == ("wider", {})
    assert made.gained
    assert not made.lost
    for region in made.gained:
        was, now = (outcome(region.sets.decide(side, region.witness)) for side in (0, 1))
        assert (was, now) == (None, region.level)
    r = random.Random(5)
    for _ in range(300):
        amount, currency = r.choice([0, 499.99, 500, 500.01, 800, 800.5, 800.6, 9000]), r.choice(["EUR", "USD"])
        request = Request("bot", "pay.send", {"amount": amount, "currency": currency}, now_us=MONDAY_NOON_US)
        given = {"money": "A"} if gated else {}
        before, after = (decide(of, make_agent(), request, approvals=given).allowed for of in (old, new))
        assert (after and not before) is (currency == "EUR" and 500 < amount <= 800.5)
        assert after or not before


@pytest.mark.parametrize(
    ("old", "new", "change", "verdict"),
    [
        ([CALLS], [], "removed", "wider"),
        ([], [CALLS], "added", "narrower"),
        ([CALLS], [{**CALLS, "calls": 11}], "loosened", "wider"),
        ([CALLS], [{**CALLS, "calls": 9}], "tightened", "narrower"),
        ([CALLS], [{**CALLS, "window": "30m"}], "loosened", "wider"),
        ([CALLS], [{k: v for k, v in CALLS.items() if k != "window"}], "tightened", "narrower"),
        ([CALLS], [{**CALLS, "window": "30m", "calls": 9}], "changed", "different"),
        ([CALLS], [{**CALLS, "per": "task"}], "changed", "different"),
        ([CALLS], [{**CALLS, "match": {"tools": ["pay.*"]}}], "changed", "different"),
        ([CALLS], [{**CALLS, "bytes_out": 5}], "tightened", "narrower"),
        ([CALLS], [{**CALLS, "description": "why"}], None, "equivalent"),
    ],
)
def test_history_is_said_beside_the_regions(old: Any, new: Any, change: str | None, verdict: str) -> None:
    made = compared(limited(*old), limited(*new))
    assert [one.change for one in made.limits] == ([change] if change else [])
    assert (made.verdict, made.gained, made.lost) == (verdict, [], [])


def test_who_may_open_or_approve_is_access() -> None:
    opener = {"uid": [7], "agents": ["bot"]}
    approver = {"name": "ciso", "uid": [9], "acts": ["accept_gained"]}
    free = limited()
    for old, new, gains in (
        (free, limited(openers=[opener]), True),
        (limited(openers=[opener]), free, True),
        (limited(openers=[opener]), limited(openers=[opener, {"uid": [8]}]), True),
        (limited(openers=[opener, {"uid": [8]}]), limited(openers=[opener]), False),
        (free, limited(approvers=[approver]), True),
        (limited(approvers=[approver]), free, True),  # what took an approver falls to the owner
        (limited(approvers=[approver]), limited(approvers=[{**approver, "uid": [9, 10]}]), True),
        (limited(approvers=[{**approver, "uid": [9, 10]}]), limited(approvers=[approver]), False),
    ):
        made = compared(old, new)
        assert made.people
        assert made.gains is gains, (old.form.get("openers"), new.form.get("openers"))
    assert compared(limited(openers=[opener]), limited(openers=[opener])).verdict == "equivalent"


def test_who_can_knows_what_a_limit_never_lets_through() -> None:
    made = who_can(limited(SPEND), None, MONDAY_NOON_US, "pay.send", {"currency": "EUR"}, None)
    assert not made.undecided
    assert all(region.sets.decide(0, region.witness).allowed for region in made.regions)
    assert who_can(limited(SPEND), None, MONDAY_NOON_US, "pay.send", {"amount": 501}, None).regions == []
    nothing = {"id": "Z", "match": {"tools": ["pay.send"]}, "per": "all", "calls": 0}
    assert who_can(limited(nothing), None, MONDAY_NOON_US, "pay.send", {}, None).regions == []


def test_a_limit_that_is_never_reached_is_found_and_no_other() -> None:
    only = [{"match": {"tools": ["crm.read"]}}]
    (one,) = found(limited(SPEND, CALLS, rules=only), "limit-unreachable")
    assert (one.kind, one.name, one.witness) == ("limit", "L", None)
    assert found(limited(SPEND, CALLS), "limit-unreachable") == []
    forbidden = [{}, {"effect": "forbid", "match": {"tools": ["pay.send"]}, "when": {"args.amount": {"gt": 10}}}]
    high = {**SPEND, "when": {"args.amount": {"gt": 20}}}
    assert [one.name for one in found(limited(high, rules=forbidden), "limit-unreachable")] == ["L"]
    assert found(limited({**SPEND, "when": {"args.amount": {"gt": 9}}}, rules=forbidden), "limit-unreachable") == []
    gated = limited(SPEND, **GATE)
    assert found(gated, "limit-unreachable") == [], "a call that an approval would let pass reaches it"


def test_a_limit_behind_a_stricter_one_is_never_reached() -> None:
    twin = {**CALLS, "id": "D", "calls": 20}
    (one,) = found(limited(CALLS, twin), "limit-unreachable")
    assert (one.name, one.related) == ("D", ("C",))
    assert one.decision is not None
    assert one.decision.allowed
    for other in ({**twin, "window": "2h"}, {**twin, "per": "task"}, {**twin, "calls": 5, "bytes_out": 7}):
        names = {one.name for one in found(limited(CALLS, other), "limit-unreachable")}
        assert "D" not in names
    (one,) = found(limited(CALLS, {**twin, "calls": 10}), "limit-unreachable")
    assert one.name == "D", "of two that are equal, the first counts"


def test_a_permit_that_no_limit_bounds_is_broader() -> None:
    (one,) = found(limited(), "over-broad")
    assert "any number of calls" in one.message
    (one,) = found(limited(CALLS), "over-broad")
    assert "any number of calls" not in one.message


def test_a_limit_of_nothing_is_a_forbid_and_said_to_be_one() -> None:
    nothing = {"id": "Z", "per": "all", "calls": 0}
    policy = limited(nothing)
    said = {one.rule for one in lint(policy, None, MONDAY_NOON_US)}
    assert said == {"permit-fully-forbidden", "denies-everything"}
    (one,) = found(policy, "permit-fully-forbidden")
    assert one.related == ("Z",)
    assert one.decision is not None
    assert one.decision.reason == "limit_exceeded"


def test_a_policy_read_back_from_its_compiled_form_is_the_same_policy() -> None:
    for policy in (limited(SPEND, CALLS, **GATE), limited()):
        again = Policy.from_json(policy.to_json())
        assert compared(again, policy).verdict == compared(policy, again).verdict == "equivalent"
        wider = limited(SPEND, CALLS, **GATE, rules=[{}, {**PAY, "when": {"args.payee.name": {"eq": "x"}}}])
        assert compared(again, wider).undecided == {}


class Spent:
    """Counters that all stand at the same."""

    def __init__(self, used: Used) -> None:
        self._used = used

    def used(self, counter: Counter, since_us: int | None) -> Used:
        return self._used


@settings(max_examples=25, deadline=None, derandomize=True)
@given(rule_lists, rule_lists, st.integers(0, 3), st.integers(0, 3), st.integers(0, 1 << 30))
def test_one_more_limit_never_gains_and_one_less_never_loses(
    rules: Rules, more: Rules, most: int, used: int, seed: int
) -> None:
    """In the evaluator whatever was used, and in the comparison, where a limit of nothing has exact regions."""
    like = {key: more[0][key] for key in ("match", "when") if key in more[0]}
    free, held = vocabulary(rules), vocabulary(rules, limits=[{"id": "L", "per": "all", "calls": most, **like}])
    asked = some_calls(seed, 30)
    for agent, request in asked:
        made = decide(held, agent, request, counters=Spent(Used(used, 0, 0)))
        assert not made.allowed or decide(free, agent, request).allowed
        assert made.reason != "limit_exceeded" or used + 1 > most
    found = check(free, held, asked)
    assert not found.gained
    assert found.gains in (False, None)
    assert found.loses
    back = check(held, free, asked)
    assert not back.lost
    assert (back.gains, back.loses) in ((True, False), (True, None))
    if most:
        assert not found.lost


def test_the_order_of_limits_and_files_changes_no_comparison() -> None:
    one, other = limited(SPEND, CALLS), limited(CALLS, SPEND)
    assert one.digest == other.digest
    split = parse_policy([
        ("a", document(tools=TOOLS, limits=[CALLS])),
        ("b", document(rules=[{"id": "R0", "effect": "permit"}], limits=[SPEND])),
    ])  # fmt: skip
    assert compared(one, split).verdict == "equivalent"
