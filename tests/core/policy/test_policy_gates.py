"""High-impact classes: what a guardrail lets pass, and that nothing else does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.document import parse_policy
from nhictl.errors import InputError
from tests.core.policy.policy_help import CATALOGUE, MONDAY_NOON_US, ask, document, make_agent, make_policy

PERMIT = [{"match": {"agents": ["bot"]}}]
RAIL = {
    "class": "money", "approved_by": "cfo@corp.example", "expires": "2026-12-31",
    "within": {"args.amount": {"lte": 500}, "args.currency": {"in": ["EUR"]}},
}  # fmt: skip


def gated(requires: str | None = "guardrail", rails: dict[str, Any] | None = None, **parts: Any) -> Policy:
    """A policy that permits everything, with pay.send in a class."""
    declared: dict[str, Any] = {"tools": ["pay.*"], "impact": "high"}
    if requires is not None:
        declared["requires"] = requires
    given = {"G": RAIL} if rails is None else rails
    more = {"guardrails": given} if given else {}
    return make_policy(PERMIT, classes={"money": declared}, timezone="Europe/Berlin", **more, **parts)


INSIDE: dict[str, Any] = {"amount": 500, "currency": "EUR"}


@pytest.mark.parametrize(
    ("requires", "rails", "allowed"),
    [
        (None, {}, True),
        ("guardrail", None, True),
        ("guardrail_or_approval", None, True),
        ("approval", None, False),
        ("guardrail", {}, False),
        ("guardrail_or_approval", {}, False),
        ("approval", {}, False),
    ],
)
def test_what_a_class_requires(requires: str | None, rails: dict[str, Any] | None, allowed: bool) -> None:
    made = ask(gated(requires, rails), args=INSIDE)
    assert made.reason == ("permitted" if allowed else "approval_required")
    assert made.to_json()["classes"] == ["money"]


@pytest.mark.parametrize(
    "outside",
    [
        {"args": {"amount": 500.01}},
        {"args": {"currency": "USD"}},
        {"args": {"amount": 501, "currency": "USD"}},
        {"now_us": 1_798_671_600_000_000},  # 2026-12-30T23:00:00Z: the 31st has begun in Berlin
    ],
)
def test_outside_the_envelope_a_human_is_asked_for(outside: dict[str, Any]) -> None:
    inside = ask(gated(), args=INSIDE, now_us=1_798_671_600_000_000 - 1)
    assert (inside.reason, inside.guardrails) == ("permitted", ["G"])
    given = {"now_us": MONDAY_NOON_US, **outside}
    made = ask(gated(), args=INSIDE | given.pop("args", {}), **given)
    assert (made.allowed, made.reason, made.guardrails) == (False, "approval_required", [])
    gate = made.gates[0]
    assert (gate["class"], gate["requires"]) == ("money", "guardrail")
    rail = gate["guardrails"][0]
    assert rail["expired"] or rail["failed"]
    assert not (rail["expired"] and rail["failed"])


def test_what_is_absent_is_outside() -> None:
    memo = {**RAIL, "within": {"args.memo": {"eq": "rent"}}}
    policy = gated(rails={"G": memo})
    assert ask(policy, args={"memo": "rent"}).allowed
    assert ask(policy).reason == "approval_required"
    assert ask(policy, args={"memo": None}).reason == "approval_required"


def test_a_gate_is_no_permit_and_no_way_round_a_forbid() -> None:
    none = make_policy([], classes={"money": {"tools": ["pay.send"], "requires": "guardrail"}}, guardrails={"G": RAIL})
    assert ask(none, args=INSIDE).reason == "not_permitted"
    rules: list[dict[str, Any]] = [
        *PERMIT,
        {"id": "F", "effect": "forbid", "match": {"classes": ["money"], "min_trust": 2}},
    ]
    parts: dict[str, Any] = {
        "classes": {"money": {"tools": ["pay.send"], "requires": "guardrail"}},
        "guardrails": {"G": RAIL},
    }
    both = make_policy(rules, **parts)
    assert ask(both, args=INSIDE).reason == "forbidden"
    assert ask(both, "crm.read", resource="s3://crm/a").reason == "permitted"
    low = make_agent(trust=1)
    assert ask(both, args=INSIDE, agent=low).reason == "permitted"


def test_every_class_of_a_tool_has_its_own_gate() -> None:
    classes = {
        "money": {"tools": ["pay.send"], "requires": "guardrail"},
        "odd": {"tools": ["*.send"], "requires": "guardrail"},
        "seen": {"tools": ["pay.send"], "impact": "low"},
    }
    one = make_policy(PERMIT, classes=classes, guardrails={"G": RAIL})
    assert [gate["class"] for gate in ask(one, args=INSIDE).gates] == ["odd"]
    both = make_policy(PERMIT, classes=classes, guardrails={"G": RAIL, "H": {**RAIL, "class": "odd"}})
    made = ask(both, args=INSIDE)
    assert (made.allowed, made.guardrails, made.classes) == (True, ["G", "H"], ("money", "odd", "seen"))


def test_class_is_a_fact_that_conditions_read() -> None:
    rules: list[dict[str, Any]] = [*PERMIT, {"id": "F", "effect": "forbid", "when": {"class": {"eq": "money"}}}]
    policy = make_policy(rules, classes={"money": {"tools": ["pay.send"]}})
    assert ask(policy).reason == "forbidden"
    assert (
        ask(policy, "crm.read", resource="s3://crm/a").reason == "forbidden"
    )  # no class: unknown, and a forbid applies
    present: dict[str, Any] = {"class": {"eq": "money", "has": True}}
    policy = make_policy(
        [*PERMIT, {"id": "F", "effect": "forbid", "when": present}], classes={"money": {"tools": ["pay.send"]}}
    )
    assert ask(policy, "crm.read", resource="s3://crm/a").reason == "permitted"
    assert ask(policy).reason == "forbidden"


def test_split_over_files_it_is_the_same_policy_and_a_class_twice_is_refused() -> None:
    classes = {"money": {"tools": ["pay.*"], "requires": "guardrail"}}
    rules = [{"id": "R0", "effect": "permit", **PERMIT[0]}]
    whole = parse_policy([("a", document(tools=CATALOGUE, classes=classes, guardrails={"G": RAIL}, rules=rules))])
    files = [
        ("g", document(guardrails={"G": RAIL})), ("r", document(rules=rules)), ("c", document(classes=classes)),
        ("t", document(tools=CATALOGUE)),
    ]  # fmt: skip
    assert parse_policy(files).digest == whole.digest
    assert Policy.from_json(whole.to_json()).digest == whole.digest
    for key, what in (("classes", classes), ("guardrails", {"G": RAIL})):
        with pytest.raises(InputError, match="duplicate"):
            parse_policy([*files, ("again", document(**{key: what}))])


def test_marks_are_for_detections_and_change_no_decision() -> None:
    marked = {"money": {"tools": ["pay.*"], "marks": ["secret", "egress"], "allow": ["b@x.org", "s3://a"]}}
    made = make_policy(PERMIT, classes=marked)
    assert made.form["classes"]["money"]["marks"] == ["egress", "secret"]
    assert ask(made, args=INSIDE).reason == "permitted"
    assert Policy.from_json(made.to_json()).digest == made.digest


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"marks": ["loud"]}, "a mark is one of"), ({"allow": ["b@x.org"]}, "marked egress"),
        ({"marks": ["secret"], "allow": ["b"]}, "marked egress"), ({"marks": ["egress"], "allow": [1]}, "allow"),
    ],
)  # fmt: skip
def test_a_mark_that_nobody_knows_is_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_policy(PERMIT, classes={"money": {"tools": ["pay.*"], **more}})


def test_a_policy_without_classes_keeps_its_digest_and_one_with_them_its_own_format() -> None:
    plain = json.loads(make_policy(PERMIT).to_json())
    assert plain["nhictl_compiled_policy"] == 1
    assert not {"classes", "guardrails"} & plain.keys()
    assert json.loads(gated().to_json())["nhictl_compiled_policy"] == 2
    assert gated("approval").digest != gated("guardrail").digest
