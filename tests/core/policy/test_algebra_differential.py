"""The algebra against the evaluator: every "no" has a witness that it confirms, no "yes" has a call that it contradicts."""

from __future__ import annotations

from typing import Any

from hypothesis import event, given, settings

from nhictl.core.policy.algebra import regions
from nhictl.core.policy.algebra.regions import Region, difference, equivalent, intersection, is_empty, subset, union
from nhictl.core.policy.box import Box
from tests.core.policy.algebra_help import POLICY, cases, covered, shown

many = settings(max_examples=160, deadline=None, derandomize=True)
few = settings(max_examples=45, deadline=None, derandomize=True)
Case = tuple[list[Box], list[Box], list[Any]]


def as_call(witness: Any) -> tuple[str, dict[str, Any], str | None]:
    return witness.tool, witness.args, witness.resource


def check(one: list[Box], other: list[Box], calls: list[Any]) -> regions.Answer:
    found = subset(union(one), union(other), POLICY)
    event(f"{found.holds}")
    if found.holds is False:
        call = as_call(found.witness)
        assert covered(one, call), (shown(one), call)
        assert not covered(other, call), (shown(other), call)
        assert found.exceeded is not None
        assert covered([one[found.exceeded]], call)
    if found.holds is True:
        against = [call for call in calls if covered(one, call) and not covered(other, call)]
        assert against == [], (shown(one), shown(other))
    return found


@many
@given(cases())
def test_subset(case: Case) -> None:
    check(*case)


@few
@given(cases(same=True))
def test_subset_where_facts_are_compared_with_facts(case: Case) -> None:
    check(*case)


@few
@given(cases(most=2))
def test_a_scope_lies_in_itself_and_in_more_and_nothing_new_in_less(case: Case) -> None:
    one, other, _ = case
    assert subset(union(one), union([*other, *one]), POLICY).holds is True
    assert subset(union(one[:1]), union(one), POLICY).holds is True
    assert equivalent(union(one), union([*one, one[0]]), POLICY).holds is True
    back = equivalent(union(one), union([*one, *other]), POLICY)
    if back.holds is False:
        assert covered(other, as_call(back.witness))
        assert not covered(one, as_call(back.witness))


def contains(found: regions.Set, call: Any) -> bool:
    return any(region.contains(POLICY, *call) for region in found)


@few
@given(cases(most=2))
def test_intersection_and_difference_hold_the_calls_they_should(case: Case) -> None:
    one, other, calls = case
    both, rest = intersection(union(one), union(other)), difference(union(one), union(other))
    twice = difference(union(one), rest)
    for call in calls:
        here, there = covered(one, call), covered(other, call)
        assert contains(both, call) is (here and there)
        assert contains(rest, call) is (here and not there)
        assert contains(twice, call) is (here and there), "taking away what was taken away"
    for found in (both, rest, twice):
        empty = is_empty(found, POLICY)
        if empty.holds is False:
            assert contains(found, as_call(empty.witness))
            assert found[empty.exceeded or 0].contains(POLICY, *as_call(empty.witness))
        if empty.holds is True:
            assert not any(contains(found, call) for call in calls)


@few
@given(cases())
def test_the_laws_hold_where_they_are_decided(case: Case) -> None:
    one, other, _ = union(case[0]), union(case[1]), case[2]
    assert is_empty(difference(one, one), POLICY).holds is True
    assert is_empty(intersection(difference(one, other), other), POLICY).holds in (True, None)
    assert subset(intersection(one, other), other, POLICY).holds is True
    inside, apart = subset(one, other, POLICY).holds, is_empty(intersection(one, other), POLICY).holds
    if inside and apart:
        assert is_empty(one, POLICY).holds is True
    assert subset((), other, POLICY).holds is True
    assert is_empty((Region((case[0][0],), (case[0][0],)),), POLICY).holds is True


def test_the_checks_can_fail() -> None:
    """A wrong yes and a wrong witness would be seen: the same checks on boxes that were exchanged behind them."""
    from nhictl.core.policy.box import parse_box

    small, large = parse_box("t.a?args.n<=1", POLICY), parse_box("t.a?args.n<=5", POLICY)
    call = ("t.a", {"n": 3}, "s3://a")
    assert covered([large], call)
    assert not covered([small], call)
    found = subset(union([large]), union([small]), POLICY)
    assert found.holds is False
    assert covered([large], as_call(found.witness))
    assert not covered([small], as_call(found.witness))
