"""The engine, a naive evaluator and Cedar agree on generated policies and requests; hypothesis shrinks what they do not.

`.ci/run` puts 500 policies of 200 requests each to the same functions (`differential.py`).
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.operand import FITS
from nhictl.formats import cedar, cedar_request
from tests.core.policy import differential, generated, reference_typed
from tests.core.policy.differential import disagreements


def test_on_seeded_policies() -> None:
    counts: dict[str, int] = {}
    said = [one for seed in range(1000, 1012) for one in disagreements(Random(seed), 100, counts=counts)]
    assert said == []
    assert {reason for reason, count in counts.items() if count > 10} >= {
        "permitted", "forbidden", "not_permitted", "approval_required",
    }  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_shrinking(r: Any) -> None:
    assert disagreements(r, 8, cedar_too=False) == []


def test_it_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """An evaluator that takes an absent value for false in a forbid is found out."""
    monkeypatch.setattr(reference_typed, "U", "false")
    assert any(disagreements(Random(seed), 60, cedar_too=False) for seed in range(6))


def test_what_is_generated_covers_the_language() -> None:
    """Every type with every operator that fits it, every fact, `any`, presence, classes and windows of time occur."""
    seen: set[tuple[str, str]] = set()
    kinds = {**{f"args.{k}": v for k, v in generated.TYPES.items()}, **generated.FACTS}
    keys: set[str] = set()

    def look(box: dict[str, Any]) -> None:
        for path, body in box.items():
            if path == "any":
                keys.add("any")
                for one in body:
                    look(one)
            elif path == "time":
                keys.add("time")
            else:
                seen.update((kinds[path].removesuffix("[]"), op) for op in body)
                keys.add(path)

    for seed in range(300):
        document = generated.document(Random(seed))
        keys.update(document)
        for rule in document["rules"]:
            look(rule.get("when", {}))
    for of, ops in FITS.items():
        if of != "untyped":  # of scopes where no policy declares a type
            missing = ops - {op for kind, op in seen if kind == of}
            assert missing <= {"same_as"}, (of, missing)
    assert {op for _, op in seen} >= {"same_as", "has", "absent_ok"}
    assert set(kinds) | {"any", "time", "classes", "guardrails", "data"} <= keys


def small(*rules: dict[str, Any], **parts: Any) -> Any:
    tools = {"t": {"args": {"x": {"type": "number", "optional": True}, "l": {"type": ["string"], "optional": True}}}}
    numbered = [{"id": f"R{n}", "effect": "permit", **rule} for n, rule in enumerate(rules)]
    body = {"nhictl_policy": 1, "tools": tools, "rules": numbered, **parts}
    return parse_policy([("p", json.dumps(body).encode())])


def test_exported_policies_pass_cedars_own_validator() -> None:
    cedarpy = pytest.importorskip("cedarpy")
    for seed in range(20):
        exported, policy = differential._expressible(generated.document(Random(seed)))
        found = cedarpy.validate_policies(exported.text, json.dumps(cedar_request.schema(policy)))
        complaints = [str(e) for e in found.errors if "impossible" not in str(e)]
        assert complaints == [], exported.text


def allowed(policy: Any, context: dict[str, Any], principal: str = "bot") -> bool:
    import cedarpy

    agents = [{"uid": {"type": "Nhi::Agent", "id": "bot"}, "attrs": {"state": "active"}, "parents": []}]
    request = {
        "principal": f'Nhi::Agent::"{principal}"', "action": 'Nhi::Action::"t"', "resource": 'Nhi::Resource::""',
        "context": context,
    }  # fmt: skip
    answer = cedarpy.is_authorized(request, cedar.export(policy).text, agents)
    assert answer.diagnostics.errors == []
    return bool(answer.allowed)


@pytest.mark.parametrize("context", [{}, {"args": {}}, {"args": {"l": []}}])
@pytest.mark.parametrize(
    "when",
    [
        {"args.x": {"gt": 2}}, {"args.x": {"eq": 2}}, {"args.l": {"in": ["a"]}}, {"context.k": {"eq": "a"}},
        {"time": {"from": "12:00"}},
        {"agent.trust": {"lt": 2}}, {"agent.labels.team": {"ne": "a"}}, {"token.ttl_s": {"gt": 9}}, {"resource": {"under": "s3://a"}},
        {"data.sensitivity": {"gte": "internal"}}, {"args.x": {"same_as": "context.k"}},
        {"any": [{"args.x": {"gt": 2}}, {"env": {"eq": "x"}}]},
    ],
)  # fmt: skip
def test_forbids_hold_where_what_they_read_is_missing(when: dict[str, Any], context: dict[str, Any]) -> None:
    pytest.importorskip("cedarpy")
    assert allowed(small({}), context)
    assert not allowed(small({}, {"effect": "forbid", "when": when}), context)
    assert not allowed(small({"when": when}), context), "and permits do not"
    assert not allowed(small({}), context, "nobody"), "nor does an agent that Cedar was not told of"


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ({"when": {"args.l": {"glob": "a*"}}}, "elements of a set"),
        ({"when": {"args.l": {"starts_with": "a"}}}, "elements of a set"),
        ({"when": {"args.x": {"lte": 0.00001}}}, "digits after the point"),
        ({"when": {"args.x": {"lte": 10**16}}}, "15 before it"),
        ({"when": {"agent.trust": {"lte": 10**20}}}, "64 bits"),
    ],
)
def test_what_cedar_cannot_say_is_refused_by_name(rule: dict[str, Any], part: str) -> None:
    made = cedar.export(small({}, rule))
    assert [one["where"] for one in made.refused] == ["rule R1"]
    assert part in made.refused[0]["why"]


def test_parts_that_nobody_thought_of_are_refused() -> None:
    policy = small({})
    policy.form["limits"] = {"L": {}}
    assert cedar.export(policy).refused[0]["where"] == "limits"


def test_a_limit_is_refused_by_name_and_people_and_assertions_are_about_no_call() -> None:
    limit = {"id": "L", "per": "task", "calls": 3}
    (one,) = cedar.export(small({}, limits=[limit])).refused
    assert one["where"] == "limits"
    assert "counts" in one["why"]
    more: dict[str, Any] = {"openers": [{"uid": [7]}], "assertions": [{"never": {"agents": ["x"]}}]}
    assert cedar.export(small({}, **more)).text == cedar.export(small({})).text


def test_a_tool_that_drifted_is_forbidden_there_too() -> None:
    cedarpy = pytest.importorskip("cedarpy")
    digest = "sha256:" + "0" * 64
    policy = small({}, tools={"t": {"args": {}, "digest": digest}})
    assert allowed(policy, {})
    assert allowed(policy, {"ctx": {}})
    assert allowed(policy, {"ctx": {"tool.digest": {"s": digest}}})
    for other in ({"s": digest.replace("0", "1")}, {"b": True}, {}):
        assert not allowed(policy, {"ctx": {"tool.digest": other}})
    found = cedarpy.validate_policies(cedar.export(policy).text, json.dumps(cedar_request.schema(policy)))
    assert [str(e) for e in found.errors if "impossible" not in str(e)] == []


HOSTILE = [
    '"',
    "\\",
    '\\" || true',
    "*",
    "\\*",
    "é",
    "a\nb",
    "\u2066x",
    "}; permit(principal, action, resource);",
    "//",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_stay_texts(text: str) -> None:
    pytest.importorskip("cedarpy")
    for op in ("eq", "starts_with"):
        policy = small({"when": {"context.k": {op: text}}, "description": text if text.strip() else "x"})
        assert allowed(policy, {"ctx": {"k": {"s": text}}})
        assert not allowed(policy, {"ctx": {"k": {"s": "other"}}})
        assert not allowed(policy, {"ctx": {"k": {"s": text.replace("*", "x") if "*" in text else "x" + text}}})
