"""Policy tests as documents: what passes, what fails and why, what coverage counts, and every mistake with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nhictl.core.policy.registry import Registry
from nhictl.core.policy.suite import Coverage, parse_suite, run_case
from nhictl.errors import InputError
from tests.core.policy.policy_help import make_agent, make_policy

NOW = "2026-11-23T12:00:00Z"


def suite(*cases: dict[str, Any], **parts: Any) -> bytes:
    """A document of tests as JSON, which is YAML too."""
    whole = {"nhictl_policy_test": 1, "policy": ["p"], "registry": "r", "now": NOW, "cases": list(cases), **parts}
    return json.dumps({key: value for key, value in whole.items() if value is not None}).encode()


def case(name: str = "one", expect: dict[str, Any] | None = None, **request: Any) -> dict[str, Any]:
    asked = {"agent": "bot", "tool": "pay.send", "args": {"amount": 5, "currency": "EUR"}, **request}
    return {"name": name, "request": asked, "expect": expect or {"decision": "allow"}}


POLICY = make_policy(
    [
        {
            "id": "A",
            "match": {"tools": ["pay.send"]},
            "when": {"args.amount": {"lte": 500}},
            "obligations": [{"type": "log"}],
        },
        {
            "id": "F",
            "effect": "forbid",
            "match": {"tools": ["pay.send"]},
            "when": {"args.memo": {"has": True, "eq": "bad"}},
        },
    ]
)
REGISTRY = Registry([make_agent()])


@pytest.mark.parametrize(
    ("expect", "request_", "wrong"),
    [
        ({"decision": "allow"}, {}, []),
        ({"decision": "allow", "reason": "permitted", "rules": ["A"], "obligations": [{"type": "log"}]}, {}, []),
        ({"decision": "deny"}, {}, ["decision"]),
        ({"decision": "allow", "reason": "forbidden"}, {}, ["reason"]),
        ({"decision": "allow", "rules": []}, {}, ["rules"]),
        ({"decision": "allow", "rules": ["A", "F"]}, {}, ["rules"]),
        ({"decision": "allow", "obligations": []}, {}, ["obligations"]),
        ({"decision": "deny", "reason": "not_permitted"}, {"args": {"amount": 501, "currency": "EUR"}}, []),
        ({"decision": "allow"}, {"args": {"amount": 501, "currency": "EUR"}}, ["decision"]),
        ({"decision": "deny", "reason": "invalid_request"}, {"args": {"amount": "5"}}, []),
        ({"decision": "deny", "reason": "invalid_request"}, {"agent": "stranger"}, []),
        ({"decision": "deny", "rules": ["F"]}, {"args": {"amount": 5, "currency": "EUR", "memo": "bad"}}, []),
    ],
)
def test_a_case_passes_exactly_if_all_that_it_expects_is_so(
    expect: dict[str, Any], request_: dict[str, Any], wrong: list[str]
) -> None:
    parsed = parse_suite("t", suite(case(expect=expect, **request_)))
    assert run_case(POLICY, REGISTRY, parsed.cases[0]).wrong == wrong


def missing(*cases: dict[str, Any]) -> set[tuple[str, str, str]]:
    coverage = Coverage(POLICY)
    for one in parse_suite("t", suite(*cases)).cases:
        coverage.add(REGISTRY, one)
    rows = coverage.rows()
    assert all(row["total"] - row["covered"] == len(row["missing"]) for row in rows)
    return {(row["rule"], each["condition"], each["outcome"]) for row in rows for each in row["missing"]}


def test_coverage_is_of_outcomes_and_a_required_argument_is_never_unknown() -> None:
    everything = {
        ("A", "the rule", "applied"), ("A", "args.amount lte", "true"), ("A", "args.amount lte", "false"),
        ("F", "the rule", "applied"), ("F", "args.memo eq", "true"), ("F", "args.memo eq", "false"),
        ("F", "args.memo eq", "unknown"), ("F", "args.memo has", "true"), ("F", "args.memo has", "false"),
    }  # fmt: skip
    assert missing(case(tool="crm.read", args={"query": "q"}, resource="s3://a")) == everything
    assert missing(case(agent="stranger")) == everything
    seen = {
        ("A", "the rule", "applied"), ("A", "args.amount lte", "true"), ("F", "args.memo eq", "unknown"),
        ("F", "args.memo has", "false"),
    }  # fmt: skip
    assert missing(case()) == everything - seen
    more = [{"amount": amount, "currency": "EUR", "memo": memo} for amount, memo in ((501, "bad"), (1, "good"))]
    assert missing(case(), *[case(str(n), args=args) for n, args in enumerate(more)]) == set()


def test_alternatives_count_one_by_one_and_absent_ok_is_never_unknown() -> None:
    when = {"any": [{"args.amount": {"eq": 1}}, {"args.memo": {"eq": "a", "absent_ok": True}}]}
    policy = make_policy([{"id": "A", "match": {"tools": ["pay.send"]}, "when": when}])
    coverage = Coverage(policy)
    assert coverage.rows()[0]["total"] == 1 + 2 + 2
    coverage.add(REGISTRY, parse_suite("t", suite(case())).cases[0])
    assert {(m["condition"], m["outcome"]) for m in coverage.rows()[0]["missing"]} == {
        ("args.amount eq", "true"), ("args.memo eq", "false"),
    }  # fmt: skip


def test_a_case_may_have_its_own_moment() -> None:
    open_hours = make_policy([{"when": {"time": {"from": "08:00", "to": "18:00"}}}])
    parsed = parse_suite("t", suite(case("day"), {**case("night"), "now": "2026-11-23T20:00:00Z"}))
    assert [run_case(open_hours, REGISTRY, one).wrong for one in parsed.cases] == [[], ["decision"]]


MISTAKES: list[tuple[bytes, str]] = [
    (b"[]", "must be a mapping"),
    (b"{}", "`nhictl_policy_test: 1` is missing"),
    (suite(), "`cases` must not be empty"),
    (suite(case(), now=None), "lacks `now`"),
    (suite(case(), now="yesterday"), "RFC 3339"),
    (suite(case(), policy=[]), "`policy` must not be empty"),
    (suite(case(), registry=None), "lacks `registry`"),
    (suite(case(), polcy=["p"]), "unknown key `polcy`"),
    (suite(case(), case()), "duplicate case `one`"),
    (suite({"name": "n", "request": {"agent": "bot", "tool": "t"}}), "a case lacks `expect`"),
    (suite(case(tool=None)), "`tool` must be a string"),
    (suite(case(at="now")), "unknown key `at`"),
    (suite(case(args=[1])), "`args` must be a mapping"),
    (suite(case(expect={"decision": "yes"})), "`allow` or `deny`"),
    (suite(case(expect={"reason": "permitted"})), "lacks `decision`"),
    (suite(case(expect={"decision": "allow", "rules": "A"})), "`rules` must be a list"),
    (suite(case(expect={"decision": "allow", "outcome": 1})), "unknown key `outcome`"),
]


@pytest.mark.parametrize(("data", "why"), MISTAKES)
def test_mistakes_are_refused_with_their_place(data: bytes, why: str) -> None:
    assert len(parse_suite("t", suite(case())).cases) == 1
    with pytest.raises(InputError) as caught:
        parse_suite("t.yaml", data)
    assert why in caught.value.message
    assert caught.value.details["file"] == "t.yaml"
    assert caught.value.details["line"] >= 1


LIMITED = make_policy(
    [{"id": "A"}],
    limits=[{"id": "L", "match": {"tools": ["pay.send"]}, "per": "agent", "window": "1h", "calls": 2, "bytes_out": 10}],
    classes={"k": {"tools": ["crm.read"], "requires": "approval"}},
)


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ({"before": [{"times": 1}]}, []),
        ({"before": [{"times": 2}]}, ["decision"]),
        ({"before": [{"times": 2, "ago": "60m"}]}, []),
        ({"before": [{"times": 2, "ago": "59m"}]}, ["decision"]),
        ({"before": [{"times": 2, "result": {"executed": False}}]}, []),
        ({"before": [{"result": {"bytes_out": 10}}]}, ["decision"]),
        ({"before": [{}, {}, {}]}, ["before"]),  # the third is denied itself
        ({"before": [{"tool": "crm.read", "args": {"query": "q"}, "resource": "s3://a/b"}]}, ["before"]),
        ({"before": [{"tool": "crm.read", "args": {"query": "q"}, "resource": "s3://a/b", "approved": ["k"]}]}, []),
    ],
)
def test_calls_made_before(more: dict[str, Any], wrong: list[str]) -> None:
    (one,) = parse_suite("t", suite({**case(), **more})).cases
    outcome = run_case(LIMITED, REGISTRY, one)
    assert outcome.wrong == wrong, outcome
    assert (outcome.message is None) is (not wrong)


def test_a_limit_is_covered_when_it_was_counted_and_exceeded() -> None:
    coverage = Coverage(LIMITED)
    (one,) = parse_suite("t", suite(case())).cases
    coverage.add(REGISTRY, one)
    row = next(row for row in coverage.rows() if row["rule"] == "L")
    assert (row["applied"], row["missing"]) == (1, [{"condition": "the limit", "outcome": "true"}])
    (full,) = parse_suite("t", suite({**case(), "before": [{"times": 2}]})).cases
    coverage.add(REGISTRY, full)
    assert [row["missing"] for row in coverage.rows() if row["rule"] == "L"] == [[]]


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ([], "`before` must not be empty"),
        ([{"times": 0}], "`times` must be 1 to 10000"),
        ([{"times": True}], "`times` must be 1 to 10000"),
        ([{"ago": "yesterday"}], "not a duration"),
        ([{"at": "now"}], "unknown key `at`"),
        ([{"args": [1]}], "`args` must be a mapping"),
        ([{"result": {"bytes_out": -1}}], "`bytes_out` must be a whole number"),
        ([{"result": {"spend": -1}}], "a cost is not negative"),
        ([{"result": {"ok": True}}], "unknown key `ok`"),
    ],
)
def test_mistakes_in_calls_made_before(before: list[Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_suite("t", suite({**case(), "before": before}))
    assert message in caught.value.message
    assert caught.value.details["line"] == 1
