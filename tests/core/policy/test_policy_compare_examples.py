"""Comparisons of two policies, case by case: time and zones, guardrails, catalogues, groups, and what is too much."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import pytest

from nhictl.core.policy.analysis.compare import Comparison, compare
from nhictl.core.policy.analysis.openings import Openings, what_can, who_can
from nhictl.core.policy.analysis.sets import outcome
from nhictl.core.policy.catalogue import InvalidRequestError
from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.decide import decide
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.plan import Rule
from nhictl.core.policy.request import Request
from tests.core.policy.policy_help import MONDAY_NOON_US, document, make_agent
from tests.core.policy.test_policy_lint import EMPTY, GATED, PAY, TOOLS

NOW = MONDAY_NOON_US
DAY = 86_400_000_000


def policy(*rules: dict[str, Any], **parts: Any) -> Policy:
    numbered = [{"id": f"R{n}", "effect": "permit", **each} for n, each in enumerate(rules)]
    return parse_policy([("p.yaml", document(**{"tools": TOOLS, **parts, "rules": numbered}))])


def compared(old: Policy, new: Policy) -> Comparison:
    found = compare(old, new, None, NOW)
    for region in found.gained + found.lost:
        shown = region.witness
        before, after = (outcome(decide(of, shown.agent, shown.request)) for of in (old, new))
        assert before != after
        assert region.contains(1, shown.agent, shown.request) or old.form["tools"] != new.form["tools"]
    return found


def texts(found: Comparison) -> tuple[list[str], list[str]]:
    return [region.text for region in found.gained], [region.text for region in found.lost]


def test_numbers() -> None:
    found = compared(policy({"match": PAY, "when": {"args.amount": {"lte": 5}}}),
                     policy({"match": PAY, "when": {"args.amount": {"gt": 1, "lt": 9}}}))  # fmt: skip
    assert found.verdict == "different"
    assert texts(found) == (
        ["pay ? agent.name=bot & args.amount>5&args.amount<9"],
        ["pay ? agent.name=bot & args.amount<=1"],
    )


def test_the_same_said_otherwise_is_equivalent() -> None:
    one = policy(
        {"match": PAY, "when": {"args.amount": {"lte": 5}}}, {"match": PAY, "when": {"args.amount": {"gt": 5}}}
    )
    found = compared(one, policy({"match": PAY}))
    assert (found.verdict, found.gains, found.loses) == ("equivalent", False, False)
    groups = [{"match": {"groups": [name], "tools": ["pay"]}} for name in ("a", "b")]
    assert (
        compared(policy(*groups), policy({"match": {"groups": ["a", "b"], "tools": ["pay"]}})).verdict == "equivalent"
    )


def test_a_forbid_that_is_taken_away_gains() -> None:
    shut = {"effect": "forbid", "when": {"any": [{"agent.trust": {"lt": 2}}, {"agent.attested": {"eq": False}}]}}
    found = compared(policy({"match": PAY}, shut), policy({"match": PAY}))
    assert found.verdict == "wider"
    assert compared(policy({"match": PAY}), policy({"match": PAY}, shut)).verdict == "narrower"


def test_disjoint() -> None:
    one, other = policy({"match": PAY}), policy({"match": {**PAY, "tools": ["read"]}})
    assert compared(one, other).verdict == "disjoint"
    assert compare(one, policy({"match": PAY}, {"match": {**PAY, "tools": ["read"]}}), None, NOW).disjoint is False


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ({"from": "08:00", "to": "18:00"}, {"from": "08:00", "to": "17:59"}, "narrower"),
        ({"from": "08:00"}, {"from": "08:00", "to": "24:00"}, "equivalent"),
        ({"days": ["mon"]}, {"days": ["mon", "sun"]}, "wider"),
        ({"days": ["mon"]}, {"days": ["tue"]}, "disjoint"),
    ],
)
def test_windows(old: Any, new: Any, verdict: str) -> None:
    for zone in ("UTC", "Europe/Berlin", "America/St_Johns"):
        one, other = (policy({"match": PAY, "when": {"time": window}}, timezone=zone) for window in (old, new))
        assert compared(one, other).verdict == verdict


def test_a_changed_time_zone_is_compared_hour_by_hour_through_the_year() -> None:
    rule = {"match": PAY, "when": {"time": {"from": "08:00", "to": "18:00"}}}
    zones = ("UTC", "Europe/Berlin", "America/New_York")
    for one, other in itertools.permutations(zones, 2):
        old, new = policy(rule, timezone=one), policy(rule, timezone=other)
        found = compared(old, new)
        assert found.verdict == "different"
        agent = make_agent()
        for hour in range(0, 365 * 24, 37):
            asked = Request("bot", "pay", {"amount": 1}, now_us=NOW + hour * DAY // 24)
            before, after = (decide(of, agent, asked).allowed for of in (old, new))
            assert any(region.contains(1, agent, asked) for region in found.gained) is (after and not before)
            assert any(region.contains(0, agent, asked) for region in found.lost) is (before and not after)


def test_a_guardrail_that_lasts_longer_gains() -> None:
    longer = json.loads(json.dumps(GATED))
    longer["guardrails"]["G"]["expires"] = "2028-01-01"
    found = compared(policy({"match": PAY}, **GATED), policy({"match": PAY}, **longer))
    assert found.verdict == "wider"
    assert found.gained[0].level == "permitted"
    assert found.gained[0].new is not None
    assert found.gained[0].new.reason == "permitted"
    expired = json.loads(json.dumps(GATED))
    expired["guardrails"]["G"]["expires"] = "2026-01-01"
    assert compared(policy({"match": PAY}, **expired), policy({"match": PAY}, **GATED)).verdict == "wider"


def test_an_approval_where_there_was_none_and_none_where_there_was_one() -> None:
    approval = json.loads(json.dumps(GATED))
    approval["classes"]["money"]["requires"] = "approval"
    found = compared(policy({"match": PAY}), policy({"match": PAY}, **approval))
    assert found.verdict == "narrower"
    assert found.lost[0].new is not None
    assert found.lost[0].new.reason == "approval_required"
    first = compared(policy({"match": {**PAY, "agents": ["x"]}}, **approval), policy({"match": PAY}, **approval))
    assert [region.level for region in first.gained] == ["approvable"]


@pytest.mark.parametrize(
    ("new", "verdict"),
    [
        ({"amount": "number", "memo": {"type": "string", "optional": True}}, "wider"),
        ({"amount": "number", "more": "string"}, "disjoint"),
        ({"amount": {"type": "number", "optional": True}}, "wider"),
        ({"amount": "integer"}, "undecided"),
        ({"amount": "string"}, "different"),
        ({}, "disjoint"),
    ],
)
def test_another_catalogue(new: Any, verdict: str) -> None:
    one, other = (
        policy({"match": {"tools": ["t"]}}, tools={"t": {"args": args}}) for args in ({"amount": "number"}, new)
    )
    found = compared(one, other)
    assert found.verdict == verdict
    if retyped := isinstance(new.get("amount"), str) and new["amount"] != "number":
        assert "not followed" in str(found.undecided)
        assert found.lost
    assert bool(found.undecided) is retyped


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"args": {"a": "string"}}, {"args": "open"}),
        ({"args": {"a": "string", "b": "string"}, "resource": "s3://x/{args.a}"},
         {"args": {"a": "string", "b": "string"}, "resource": "s3://x/{args.b}"}),
        ({"args": {}, "resource": "uri"}, {"args": {}, "resource": "path"}),
        ({"args": {"a": {"type": "string", "fold": True}}}, {"args": {"a": "string"}}),
        ({"args": {"a": ["string"]}}, {"args": {"a": "string"}}),
        ({"args": {"a": {"type": {"b": "string"}}}}, {"args": {"a": {"type": {"b": "number"}}}}),
        ({"args": {}}, {"args": {"a": {"type": {"b": "string"}}}}),
    ],
)  # fmt: skip
def test_a_catalogue_that_differs_in_ways_not_followed_is_never_equivalent(old: Any, new: Any) -> None:
    one, other = (policy({"match": {"tools": ["t"]}}, tools={"t": tool}) for tool in (old, new))
    found = compare(one, other, None, NOW)
    assert found.undecided
    assert found.verdict not in ("equivalent", "narrower", "wider")
    assert found.gains is not False


def test_a_tool_more_and_a_tool_less() -> None:
    one = policy({"match": {"tools": ["a"]}}, tools={"a": {}})
    both = policy({"match": {"tools": ["a", "b"]}}, tools={"a": {}, "b": {}})
    assert texts(compared(one, both)) == (["b"], [])
    assert texts(compared(both, one)) == ([], ["b"])


def test_sensitivities_that_changed() -> None:
    rule = {"match": {"tools": ["read"]}, "when": {"data.sensitivity": {"lte": "internal"}}}
    old = policy(rule, data={"s3://crm": "internal"})
    new = policy(rule, data={"s3://crm": "internal", "s3://crm/board": "restricted", "s3://web": "public"})
    found = compared(old, new)
    assert texts(found)[0] == ["read ? data.sensitivity<=internal and not (data.sensitivity<=internal)"] or found.gained
    assert {region.witness.request.resource for region in found.gained} == {"s3://web"}
    assert {region.witness.request.resource for region in found.lost} == {"s3://crm/board"}


def test_who_can_and_what_can() -> None:
    rules: list[dict[str, Any]] = [
        {"match": PAY, "when": {"args.amount": {"lte": 5}}},
        {"match": {"groups": ["g"], "tools": ["pay", "read"]}},
    ]
    of = policy(*rules, {"effect": "forbid", "when": {"agent.trust": {"lt": 1}}})
    agents = [make_agent(), make_agent(name="b", groups=["g"]), make_agent(name="c", groups=["g"], trust=0)]

    def names(found: Openings) -> list[str]:
        return sorted({name for region in found.regions for name in region.agents or ()})

    assert names(who_can(of, agents, NOW, "pay", {}, None)) == ["b", "bot"]
    assert names(who_can(of, agents, NOW, "pay", {"amount": 6}, None)) == ["b"]
    assert names(who_can(of, agents, NOW, "read", {}, "s3://x")) == ["b"]
    with pytest.raises(InvalidRequestError, match="amount"):
        who_can(of, agents, NOW, "pay", {"amount": "six"}, None)
    assert sorted(region.sets.name for region in what_can(of, agents[1], NOW).regions) == ["pay", "read"]
    assert what_can(of, agents[2], NOW).regions == []
    assert {region.sets.name for region in what_can(of, "bot", NOW).regions} == {"pay", "read"}


def test_brute_force_over_a_small_domain() -> None:
    rng = random.Random(5)
    tools = {"t": {"args": {"n": {"type": "integer", "optional": True}, "s": {"type": "string", "optional": True}}}}
    agents = [make_agent(trust=trust, groups=groups) for trust in (0, 3) for groups in ((), ("g",))]
    calls = [
        (agent, Request("bot", "t", {k: v for k, v in (("n", n), ("s", s)) if v is not None}, now_us=NOW))
        for agent in agents for n in (None, 0, 1, 2, 3) for s in (None, "a", "b", "z")
    ]  # fmt: skip
    verdicts = set()
    for _ in range(120):
        old, new = (_small(rng, tools) for _ in range(2))
        found = compared(old, new)
        pairs = [(decide(old, *call).allowed, decide(new, *call).allowed) for call in calls]
        assert found.gains is ((False, True) in pairs)
        assert found.loses is ((True, False) in pairs)
        if found.gains and found.loses:
            assert found.disjoint is ((True, True) not in pairs)
        verdicts.add(found.verdict)
    assert verdicts == {"equivalent", "wider", "narrower", "different", "disjoint"}


def _small(rng: random.Random, tools: Any) -> Policy:
    rules = []
    for _ in range(rng.randint(1, 4)):
        when: dict[str, Any] = {}
        if rng.random() < 0.6:
            when["args.n"] = {rng.choice(["lt", "gte", "eq", "ne"]): rng.randint(1, 2)}
        if rng.random() < 0.6:
            when["args.s"] = {rng.choice(["eq", "ne"]): rng.choice("ab")}
        match = rng.choice([{}, {"groups": ["g"]}, {"min_trust": 1}])
        rule = {"effect": rng.choice(["permit", "permit", "forbid"])}
        rules.append(rule | ({"when": when} if when else {}) | ({"match": match} if match else {}))
    return policy(*rules, tools=tools)


def test_what_never_matches_survives_ten_thousand_requests() -> None:
    rng = random.Random(7)
    texts_ = ["a", "b", "x", "y", "xa/b", "ab", "ya", "bad", "", "xy"]
    numbers = [4, 5, 5.5, 6, 0.1, 0.10000000000000001, 0, 10, -1]
    names = ["bot", "not-a-name", "other"]
    policies = [policy({"match": PAY, "when": when}) for _, when in EMPTY]
    rules: list[tuple[Rule, Policy]] = [(of.rules_for(tool)[0], of) for of in policies for tool in [of.tools["pay"]]]
    from nhictl.core.policy.decide import gather

    for _ in range(10_000):
        args: dict[str, Any] = {"amount": rng.choice(numbers)}
        if rng.random() < 0.8:
            args["memo"] = rng.choice(texts_)
        if rng.random() < 0.8:
            args["to"] = [rng.choice(texts_) for _ in range(rng.randrange(3))]
        agent = make_agent(name=rng.choice(names), trust=rng.randrange(4))
        asked = Request(agent.name, "pay", args, now_us=NOW + rng.randrange(14 * DAY))
        facts, _ = gather(policies[0], agent, asked)
        for rule, _ in rules:
            assert any(test.run(facts) != 1 for test in rule.tests), rule.form


def test_sixteen_boxes_many_times_end_within_their_bounds() -> None:
    def exploding(shift: int) -> list[dict[str, Any]]:
        return [
            {"effect": "permit" if n % 3 else "forbid", "match": {"tools": ["t"]},
             "when": {"any": [{"args.a": {"gt": (n * 7 + j + shift) % 23}, "args.b": {"lt": (n + j * 3) % 17},
                               "args.c": {"ne": f"w{n}{j}"}, "args.d": {"glob": f"{j}*"}} for j in range(16)]}}
            for n in range(3)
        ]  # fmt: skip

    tools = {"t": {"args": {"a": "number", "b": "number", "c": "string", "d": "string"}}}
    old, new = (policy(*exploding(shift), tools=tools) for shift in (0, 1))
    found = compared(old, new)
    assert found.verdict in ("undecided", "different", "wider", "narrower")
