"""The algebra by example: what lies in what, and the witness that says why not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nhictl.core.policy.algebra.budget import UndecidedError
from nhictl.core.policy.algebra.regions import (
    MAX_REGIONS,
    difference,
    equivalent,
    intersection,
    is_empty,
    subset,
    union,
)  # fmt: skip
from nhictl.core.policy.box import box_from_mapping, parse_box, scope_verdict
from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.document import parse_policy
from tests.core.policy.algebra_help import of

INSIDE = [
    ("a", "a"),
    ("a", "*"),
    ("a.b.c", "a.*"),
    ("a*b*c", "a*c"),
    ("p*d", "pay.* p*"),
    ("a,b", "a b"),
    ("a?args.n<=500&args.c=EUR", "a?args.n<=1000"),
    ("a?args.n>4&args.n<5", "a?args.n>=4.0&args.n<=5"),
    ("a?args.n=1", "a?args.n=1.0"),
    ("a?args.n=1|2", "a?args.n=1|2|3"),
    ("a?args.n=x", "a?args.n?=x"),
    ("a?args.n=x", "a?args.n!=y"),
    ("a?args.n!=x|y", "a?args.n!=x"),
    ("a?args.s~ab*", "a?args.s^a"),
    ("a?args.s~*.txt", "a?args.s~*t"),
    ("a?args.s~a/*/c", "a?args.s~*/*/*"),
    ("a@s3://crm/x", "a@s3://crm"),
    ("a@s3://crm/x", "a@s3://"),
    ("a@/data", "a@/"),
    ("a?args.f^s3://crm/x", "a?args.f^s3://crm"),
    ("a?args.n<3&args.n>5", "b"),
    ("a?args.s=x&args.s!=x", "b"),
    ("a?args.s~a*&args.s^b", "b"),
    ("a?args.s~*", "a?args.s!=a/b"),
    ("a?args.n<0", "a?args.n!=0"),
]
OUTSIDE = [
    ("a", "b", {"tool": "a", "args": {}}),
    ("A", "a", {"tool": "A", "args": {}}),
    ("a*", "a.*", {"tool": "a", "args": {}}),
    ("a/b", "a*", {"tool": "a/b", "args": {}}),
    ("a", "a?args.n<=5", {"tool": "a", "args": {"n": 6}}),
    ("a?args.n<=500", "a?args.n<500", {"tool": "a", "args": {"n": 500}}),
    ("a?args.n>4&args.n<5", "a?args.n=9", {"tool": "a", "args": {"n": 4.5}}),
    ("a?args.n?=x", "a?args.n=x", {"tool": "a", "args": {}}),
    ("a?args.n=1", "a?args.n=%221%22", {"tool": "a", "args": {"n": 1}}),
    ("a?args.n=true", "a?args.n=1", {"tool": "a", "args": {"n": True}}),
    ("a?args.n=x|y", "a?args.n=x", {"tool": "a", "args": {"n": "y"}}),
    ("a?args.n=x|y", "a?args.n=x a?args.n=y", {"tool": "a", "args": {"n": ["x", "y"]}}),
    ("a*b", "ab a*?args.x=1", {"tool": "axb", "args": {"x": 0}}),
    ("a@s3://crm-evil", "a@s3://crm", {"tool": "a", "args": {}, "resource": "s3://crm-evil"}),
    ("a@s3://crm", "a@s3://crm/x", {"tool": "a", "args": {}, "resource": "s3://crm"}),
    ("a@/data", "a@/data/x a@/data/y", {"tool": "a", "args": {}, "resource": "/data"}),
    ("a?args.f~/data/*", "a?args.f^/data", {"tool": "a", "args": {"f": "/data/\\"}}),
    ("a?args.x=1", "a?args.x=1&args.y=1", {"tool": "a", "args": {"x": 1, "y": 0}}),
    ("a?args.x=2", "a?args.y=1 a?args.x=2&args.y!=3", {"tool": "a", "args": {"x": 2, "y": 3}}),
]


@pytest.mark.parametrize(("one", "other"), INSIDE)
def test_inside(one: str, other: str) -> None:
    found = subset(of(*one.split(" ")), of(*other.split(" ")))
    assert (found.holds, found.witness) == (True, None)


@pytest.mark.parametrize(("one", "other", "call"), OUTSIDE)
def test_outside(one: str, other: str, call: dict[str, Any]) -> None:
    found = subset(of(*one.split(" ")), of(*other.split(" ")))
    assert found.holds is False
    assert found.witness is not None
    assert found.witness.to_json() == call


def policy(**tools: Any) -> Policy:
    return parse_policy([("p.yaml", json.dumps({"nhictl_policy": 1, "tools": tools}).encode())])


def scope(house: Policy, *texts: str) -> Any:
    return union(parse_box(text, house) for text in texts)


def test_whole_numbers_leave_no_room_where_decimals_do() -> None:
    for kind, empty in (("integer", True), ("number", False)):
        house = policy(a={"args": {"n": kind}})
        assert is_empty(scope(house, "a?args.n>4&args.n<5"), house).holds is empty
        assert subset(scope(house, "a?args.n>4"), scope(house, "a?args.n>=5"), house).holds is empty


def test_a_type_has_an_end() -> None:
    house = policy(a={"args": {"n": "integer", "b": "boolean", "w": "timestamp"}})
    assert subset(scope(house, "a?args.b=true|false"), scope(house, "a?args.b=true", "a?args.b=false"), house).holds
    assert subset(scope(house, "a"), scope(house, "a?args.b=true", "a?args.b=false"), house).holds is False
    largest = str(10**40 - 1)
    assert is_empty(scope(house, f"a?args.n>{largest}"), house).holds is True
    assert is_empty(scope(house, f"a?args.n>={largest}"), house).holds is False
    assert is_empty(scope(house, "a?args.w<0001-01-01T00:00:00Z"), house).holds is True
    late = "a?args.w>2026-01-01T00:00:00Z&args.w<2026-01-01T00:00:00.000002Z"
    found = is_empty(scope(house, late), house)
    assert found.witness is not None
    assert found.witness.args["w"] == "2026-01-01T00:00:00.000001Z"


def test_a_place_ends_at_its_segment() -> None:
    inside = union([parse_box("a@s3://crm")])
    beside = [{"glob": "s3://crm/*"}, {"eq": "s3://crm"}, {"glob": "s3://crm?*"}]
    outside = [box_from_mapping({"tools": ["a"], "when": {"resource": when}}) for when in beside]
    found = subset(inside, union(outside))
    assert found.witness is not None
    assert found.witness.resource in {"s3://crm/x/x", "s3://crm?/"}
    assert subset(inside, union([*outside, parse_box("a@s3://crm/x")])).holds is False


def test_what_is_required_is_not_absent() -> None:
    house = policy(a={"args": {"n": "number", "m": {"type": "number", "optional": True}}})
    there = {"tools": ["a"], "when": {"args.n": {"has": True}}}
    assert subset(union([box_from_mapping({"tools": ["a"], "when": {"args.m": {"has": False}}}, house)]),
                  union([box_from_mapping(there, house)]), house).holds is True  # fmt: skip
    maybe = union(
        [box_from_mapping({"tools": ["a"], "when": {"args.m": {"has": wanted}}}, house) for wanted in (True, False)]
    )
    assert subset(scope(house, "a?args.n<9"), maybe, house).holds is True


def test_the_fields_of_an_object_come_together() -> None:
    house = policy(
        a={"args": {"to": {"type": {"name": "string", "bic": {"type": "string", "optional": True}}, "optional": True}}}
    )
    named, coded = ({"tools": ["a"], "when": {f"args.to.{field}": {"has": True}}} for field in ("name", "bic"))
    one, other = (union([box_from_mapping(box, house)]) for box in (coded, named))
    assert subset(one, other, house).holds is True, "a code without a name is no object of this type"
    assert subset(other, one, house).holds is False


def test_a_call_that_no_catalogue_allows_passes_a_box_without_conditions_only() -> None:
    house = policy(a={"args": {"m": {"type": "number", "optional": True}}})
    both = union(
        [box_from_mapping({"tools": ["a"], "when": {"args.m": {"has": wanted}}}, house) for wanted in (True, False)]
    )
    found = subset(scope(house, "a"), both, house)
    assert found.holds is False
    assert found.witness is not None
    call = found.witness
    assert scope_verdict([parse_box("a")], house, call.tool, call.args, call.resource).covered


def test_a_declared_tool_and_any_other_are_told_apart() -> None:
    house = policy(**{"pay.send": {"args": {"n": "number"}}})
    one, other = parse_box("pay.*"), parse_box("pay.send")
    found = subset(union([one]), union([other]), house)
    assert found.witness is not None
    assert found.witness.tool != "pay.send"
    assert found.witness.tool.startswith("pay.")


@pytest.mark.parametrize(
    "strange",
    [{"tools": ["a"], "locations": ["eu"]}, {"tools": ["a"], "when": {"args.n": {"at_most": 5}}},
     {"tools": ["a"], "when": {"agent.env": {"eq": "prod"}}}, {"tools": [5]}, {"tools": ["a"], "resource": 5}, "a", None],
)  # fmt: skip
def test_what_this_version_does_not_know_is_never_proven_inside(strange: Any) -> None:
    box = box_from_mapping(strange, stored=True)
    found = subset(union([box]), of("*", "a"))
    assert found.holds is None
    assert "not known" in found.why
    assert subset(of("a"), union([box])).holds is False, "and nothing is proven inside of it"


def test_an_operator_that_does_not_fit_the_type_covers_nothing() -> None:
    house = policy(a={"args": {"s": "email"}})
    odd = box_from_mapping({"tools": ["a"], "when": {"args.s": {"starts_with": "a"}}}, stored=True)
    assert is_empty(union([odd]), house).holds is True
    assert is_empty(union([odd])).holds is False, "without the catalogue it does fit"


def test_intersection_difference_equivalence() -> None:
    low, high = of("a?args.n<=5"), of("a?args.n>=3")
    assert is_empty(intersection(low, high)).holds is False
    assert is_empty(intersection(of("a?args.n<3"), high)).holds is True
    assert is_empty(intersection(of("a.*"), of("*.b"))).witness is not None
    left = difference(low, high)
    assert equivalent(left, of("a?args.n<3")).holds is False, "an undeclared argument may be a list"
    house = policy(a={"args": {"n": "number"}})
    low, high = scope(house, "a?args.n<=5"), scope(house, "a?args.n>=3")
    assert equivalent(difference(low, high), scope(house, "a?args.n<3"), house).holds is True
    assert equivalent(difference(low, difference(low, high)), intersection(low, high), house).holds is True


def test_sets_of_sets_are_capped() -> None:
    wide = of(*(f"t{n}" for n in range(65)))
    with pytest.raises(UndecidedError, match=str(MAX_REGIONS)):
        intersection(wide, wide)
    assert subset(wide, difference(wide, wide)).holds is False or subset(wide, difference(wide, wide)).holds is None
