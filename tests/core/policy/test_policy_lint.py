"""Lint, finding by finding: a policy that has it, one that has it no more, and the request that shows it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nhictl.core.policy.analysis.lint.findings import LINT_RULES, Finding
from nhictl.core.policy.analysis.lint.run import lint
from nhictl.core.policy.decide import decide
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.places import Places
from nhictl.core.policy.registry import Agent
from tests.core.policy.policy_help import MONDAY_NOON_US, document, make_agent

NOW = MONDAY_NOON_US
TOOLS: dict[str, Any] = {
    "pay": {"args": {"amount": "number", "memo": {"type": "string", "optional": True},
                     "to": {"type": ["string"], "optional": True}}},
    "read": {"args": {"query": "string"}, "resource": "uri"},
}  # fmt: skip
BOUND = {"agents": ["bot"]}
PAY = {**BOUND, "tools": ["pay"]}
READ = {**BOUND, "tools": ["read"], "min_trust": 3}
BASE: dict[str, Any] = {
    "tools": TOOLS, "data": {"s3://crm": "internal"},
    "rules": [
        {"id": "P", "effect": "permit", "match": PAY, "when": {"args.amount": {"lte": 5}}},
        {"id": "Q", "effect": "permit", "match": READ, "when": {"resource": {"under": "s3://crm"}}},
    ],
}  # fmt: skip


def rule(name: str, effect: str, match: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    return {"id": name, "effect": effect, **({"match": match} if match else {}), **parts}


def linted(rules: list[dict[str, Any]] = [], agents: list[Agent] | None = None, **parts: Any) -> list[Finding]:  # noqa: B006
    body = {**BASE, **parts, "rules": [*parts.pop("rules", BASE["rules"]), *rules]}
    supported = body.pop("supported", None)
    places = Places()
    policy = parse_policy([("p.yaml", document(**body))], places)
    found = lint(policy, agents, NOW, places, supported)
    for one in found:
        assert one.rule in LINT_RULES
        if one.witness is not None and supported is None:
            again = decide(policy, one.witness.agent, one.witness.request)
            assert one.decision is not None
            assert (again.reason, again.rules) == (one.decision.reason, one.decision.rules)
    return found


def kinds(found: list[Finding]) -> dict[str, list[str]]:
    made: dict[str, list[str]] = {}
    for one in found:
        made.setdefault(one.rule, []).append(one.name)
    return made


def test_nothing_to_say() -> None:
    assert kinds(linted()) == {}


EMPTY: list[tuple[str, dict[str, Any]]] = [
    ("numbers apart", {"args.amount": {"gt": 5, "lt": 5}}),
    ("between two numbers that touch", {"args.amount": {"gt": 0.1, "lt": 0.10000000000000001, "ne": 0.1}}),
    ("a value that is none", {"args.memo": {"in": ["a", "b"], "not_in": ["a", "b"]}}),
    ("globs that never meet", {"args.memo": {"glob": "a*", "starts_with": "b"}}),
    ("a glob and a value", {"args.memo": {"eq": "xa/b", "glob": "*b"}}),
    ("there and not there", {"args.memo": {"has": False, "eq": "x"}}),
    ("no window of time", {"time": {"from": "08:00", "to": "09:00"}, "any": [{"time": {"from": "10:00"}}]}),
    ("no day", {"time": {"days": ["mon"]}, "any": [{"time": {"days": ["tue"]}}]}),
    ("no trust", {"agent.trust": {"gt": 3}}),
    ("no such name", {"agent.name": {"eq": "Not A Name"}}),
    ("another tool", {"tool": {"eq": "read"}}),
    ("every element two things", {"args.to": {"eq": "x", "glob": "y*"}}),
]


@pytest.mark.parametrize("when", [each for _, each in EMPTY], ids=[name for name, _ in EMPTY])
def test_never_matches(when: dict[str, Any]) -> None:
    found = linted([rule("X", "permit", PAY, when=when)])
    assert kinds(found)["never-matches"] == ["X"]
    assert found[0].place is not None
    assert (found[0].place.file, found[0].place.line) == ("p.yaml", 1)


def test_a_forbid_never_matches_only_where_absence_does_not_count() -> None:
    apart = {"args.memo": {"eq": "x", "glob": "y*"}}
    assert "never-matches" not in kinds(linted([rule("X", "forbid", PAY, when=apart)]))
    given = {"args.memo": {"eq": "x", "glob": "y*", "has": True}}
    assert kinds(linted([rule("X", "forbid", PAY, when=given)]))["never-matches"] == ["X"]


def test_never_matches_by_the_agents_there_are() -> None:
    mine = [make_agent(trust=3)]
    other = rule("X", "permit", {"agents": ["other"], "tools": ["pay"]}, when={"args.amount": {"gt": 7}})
    assert "never-matches" not in kinds(linted([other]))
    assert kinds(linted([other], mine))["never-matches"] == ["X"]


def test_fully_forbidden() -> None:
    shut = rule("F", "forbid", {"tools": ["pay"]}, when={"args.amount": {"gt": 5}})
    found = linted([rule("X", "permit", PAY, when={"args.amount": {"gt": 5, "lt": 9}}), shut])
    made = kinds(found)
    assert made["permit-fully-forbidden"] == ["X"]
    shown = next(one for one in found if one.rule == "permit-fully-forbidden")
    assert shown.related == ("F",)
    assert shown.decision is not None
    assert shown.decision.reason == "forbidden"
    some = linted([rule("X", "permit", PAY, when={"args.amount": {"gt": 4, "lt": 9}}), shut])
    assert "permit-fully-forbidden" not in kinds(some)
    assert kinds(some)["permit-forbid-overlap"] == ["X"]


def test_redundant_by_several_together_and_never_both_of_two() -> None:
    halves = [rule("A", "permit", PAY, when={"args.amount": {"gt": 5, "lte": 7}}),
              rule("B", "permit", PAY, when={"args.amount": {"gt": 7, "lte": 9}})]  # fmt: skip
    whole = rule("W", "permit", PAY, when={"args.amount": {"gt": 5, "lte": 9}})
    assert kinds(linted([*halves, whole]))["permit-redundant"] in (["W"], ["A", "B"])
    gap = rule("W", "permit", PAY, when={"args.amount": {"gt": 5, "lte": 9.5}})
    assert "W" not in kinds(linted([*halves, gap])).get("permit-redundant", [])
    twins = kinds(linted([whole, {**whole, "id": "W2"}]))
    assert twins["permit-redundant"] == ["W"]
    assert twins["duplicate-rule"] == ["W2"]


def test_a_permit_with_an_obligation_of_its_own_is_not_redundant() -> None:
    same = rule("X", "permit", PAY, when={"args.amount": {"lte": 5}}, obligations=[{"type": "log"}])
    assert kinds(linted([same]))["permit-redundant"] == ["P"]


def test_forbid_without_effect() -> None:
    idle = rule("F", "forbid", {"tools": ["pay"]}, when={"args.amount": {"gt": 5}})
    assert kinds(linted([idle]))["forbid-without-effect"] == ["F"]
    twice = [rule("F", "forbid", {"tools": ["pay"]}, when={"args.amount": {"gt": 3}}),
             rule("G", "forbid", {"tools": ["pay"]}, when={"args.amount": {"gt": 4}})]  # fmt: skip
    assert kinds(linted(twice))["forbid-without-effect"] == ["G"]


def test_over_broad() -> None:
    made = linted([rule("X", "permit", {"tools": ["read"]})])
    shown = next(one for one in made if one.rule == "over-broad")
    assert "any agent" in shown.message
    assert "any resource" in shown.message
    assert "lifetime of the token" in shown.message
    assert kinds(linted([rule("X", "permit", {"agents": ["x"]})]))["over-broad"] == ["X"]


def test_sensitivity_above_trust() -> None:
    low = rule("X", "permit", {"agents": ["x"], "tools": ["read"]}, when={"data.sensitivity": {"lte": "internal"}})
    found = linted([low])
    shown = next(one for one in found if one.rule == "sensitivity-above-trust")
    assert shown.name == "X"
    assert shown.message == "lets an agent of trust 0 touch internal data"
    enough = {**low, "match": {**low["match"], "min_trust": 1}}
    assert "sensitivity-above-trust" not in kinds(linted([enough]))


GATED: dict[str, Any] = {
    "classes": {"money": {"tools": ["pay"], "impact": "high", "requires": "guardrail_or_approval"}},
    "guardrails": {"G": {"class": "money", "approved_by": "cfo", "expires": "2027-01-01",
                         "within": {"args.amount": {"lte": 5}}}},
}  # fmt: skip


def gated(requires: str | None = "guardrail_or_approval", expires: str = "2027-01-01", most: int = 5) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(GATED))
    made["classes"]["money"].pop("requires")
    if requires is not None:
        made["classes"]["money"]["requires"] = requires
    made["guardrails"]["G"] |= {"expires": expires, "within": {"args.amount": {"lte": most}}}
    return made


def test_high_impact_outside_every_guardrail() -> None:
    assert kinds(linted(**gated())) == {}, "that it expires one day is no finding"
    found = linted(**gated(most=3))
    assert found[0].decision is not None
    assert found[0].decision.reason == "approval_required"
    open_ = linted(**gated(requires=None))
    assert "requires nothing" in open_[0].message
    assert open_[0].decision is not None
    assert open_[0].decision.allowed
    assert kinds(linted(**gated(requires="approval"))) == {}


def test_expired_guardrail_and_a_tool_that_only_it_opened() -> None:
    made = kinds(linted(**gated(requires="guardrail", expires="2026-11-23")))
    assert made["guardrail-expired"] == ["G"]
    assert made["tool-uncallable"] == ["pay"]


def test_optional_values() -> None:
    found = linted([rule("F", "forbid", {"tools": ["pay"]}, when={"args.memo": {"glob": "bad*"}})])
    assert kinds(found)["hangs-on-optional"] == ["F"]
    shown = next(one for one in found if one.rule == "hangs-on-optional")
    assert shown.witness is not None
    assert "memo" not in shown.witness.request.args
    told = linted([rule("F", "forbid", {"tools": ["pay"]}, when={"args.memo": {"glob": "bad*", "has": True}})])
    assert "hangs-on-optional" not in kinds(told)
    wants = linted([rule("X", "permit", PAY, when={"args.memo": {"eq": "fine"}, "args.amount": {"gt": 5}})])
    assert kinds(wants)["needs-optional"] == ["X"]


def test_tools_agents_and_all() -> None:
    more = {**TOOLS, "spare": {}, "loose": {"args": "open"}}
    made = kinds(linted(tools=more))
    assert sorted(made["tool-uncallable"]) == ["loose", "spare"]
    assert made["args-open"] == ["loose"]
    agents = [make_agent(), make_agent(name="other"), make_agent(name="reader", trust=3)]
    assert kinds(linted(agents=agents))["agent-without-permit"] == ["other", "reader"]
    shut = [rule("F", "forbid")]
    made = kinds(linted(shut))
    assert made["denies-everything"] == [""]
    assert "tool-uncallable" not in made


def test_unsupported_obligation() -> None:
    noted = rule("X", "permit", PAY, when={"args.amount": {"gt": 5}}, obligations=[{"type": "log"}, {"type": "fax"}])
    found = linted([noted], supported=frozenset({"log"}))
    assert [(one.rule, one.name, one.level) for one in found] == [("unsupported-obligation", "X", "error")]
    assert found[0].decision is not None
    assert not found[0].decision.allowed
    assert linted([noted], supported=frozenset({"log", "fax"})) == []


@pytest.mark.parametrize(
    ("assertion", "holds"),
    [
        ({"never": {"groups": ["support"], "tools": ["pay"]}}, False),
        ({"never": {"agents": ["mallory"]}}, True),
        ({"never": {"tools": ["pay"]}, "when": {"args.amount": {"gt": 5}}, "owner": "audit"}, True),
        ({"never": {"tools": ["pay"]}, "when": {"args.amount": {"gte": 5}}}, False),
        ({"never": {"agents": ["bot"], "tools": ["pay"]}, "when": {"args.memo": {"glob": "x*"}}}, False),
        ({"never": {"intents": ["raid"]}}, False),  # a call without an intent may be a raid
        ({"never": {"min_trust": 2, "agents": ["bot"], "tools": ["read"]}}, False),
    ],
)
def test_assertions(assertion: dict[str, Any], holds: bool) -> None:
    found = [one for one in linted(assertions=[assertion]) if one.rule == "assertion-violated"]
    assert (not found) is holds
    for one in found:
        assert one.level == "error"
        assert one.witness is not None
        assert one.place is not None
        assert one.decision is not None
        assert one.decision.allowed


def test_an_assertion_is_violated_by_a_call_that_an_approval_would_allow() -> None:
    asserted = [{"never": {"classes": ["money"]}, "when": {"args.amount": {"eq": 5}}}]
    found = linted(assertions=asserted, **gated(most=3))
    assert [one.rule for one in found if one.level == "error"] == ["assertion-violated"]
    assert "once it is approved" in found[0].message
    held = linted(assertions=asserted, **gated(most=3, requires="guardrail"))
    assert [one for one in held if one.level == "error"] == []


def test_assertions_are_part_of_what_is_signed_off() -> None:
    def digest(*assertions: dict[str, Any]) -> str:
        parts = [document(**BASE), *(document(assertions=[one]) for one in assertions)]
        return parse_policy([(f"{n}.yaml", part) for n, part in enumerate(parts)]).digest

    one, two = {"never": {"agents": ["m"]}, "owner": "audit"}, {"never": {"groups": ["g"]}}
    assert digest(one) != digest()
    assert digest(one, two) == digest(two, one) == digest(one, two, one)


def test_what_cannot_be_decided_is_said_to_be_and_an_assertion_then_fails() -> None:
    globs = [rule(f"X{n:02}", "permit", PAY, when={"args.memo": {"glob": f"*{n}*{n + 1}*x*{n}"}}) for n in range(24)]
    found = linted(globs, assertions=[{"never": {"tools": ["pay"], "agents": ["mallory"]}}])
    made = kinds(found)
    assert made["undecided"]
    assert [one.rule for one in found if one.level == "error"] == ["undecided"]
