"""Decisions: validation first, three-valued matching, lists, forbid overrides, near misses, obligations, claims, time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nhictl.core.policy.decide import decide
from nhictl.core.policy.explain import explain
from nhictl.core.policy.registry import Agent
from nhictl.core.policy.request import Request
from tests.core.policy.policy_help import MONDAY_NOON_US, ask, make_agent, make_policy

ALLOW: dict[str, Any] = {"id": "P", "effect": "permit"}


def result(effect: str, when: dict[str, Any], args: dict[str, Any], tool: str = "pay.send", **parts: Any) -> str:
    """What the one rule under test says: true, false or unknown."""
    policy = make_policy([{"id": "X", "effect": effect, "match": {"tools": [tool]}, "when": when}])
    request = Request("bot", tool, {"amount": 10, "currency": "EUR", **args} if tool == "pay.send" else args, **parts)
    return str(explain(policy, make_agent(labels={"k": "v"}), request)[0]["result"])


# condition, arguments, what a permit says, what a forbid says
THREE_VALUED: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    ({"args.amount": {"lte": 10}}, {}, "true", "true"),
    ({"args.amount": {"lt": 10}}, {}, "false", "false"),
    ({"args.amount": {"gte": 10, "lt": 10.5}}, {"amount": 10.0}, "true", "true"),
    ({"args.amount": {"eq": 0.3}}, {"amount": 0.3}, "true", "true"),
    ({"args.amount": {"in": [1, 10.0]}}, {}, "true", "true"),
    ({"args.currency": {"ne": "EUR"}}, {}, "false", "false"),
    ({"args.currency": {"not_in": ["USD"]}}, {}, "true", "true"),
    ({"args.currency": {"starts_with": "EU"}}, {}, "true", "true"),
    ({"args.currency": {"eq": "eur"}}, {}, "false", "false"),
    ({"args.memo": {"eq": "x"}}, {}, "unknown", "unknown"),
    ({"args.memo": {"ne": "x"}}, {}, "unknown", "unknown"),
    ({"args.memo": {"eq": "x"}}, {"memo": None}, "unknown", "unknown"),
    ({"args.memo": {"eq": "x", "absent_ok": True}}, {}, "true", "true"),
    ({"args.memo": {"eq": "x", "absent_ok": True}}, {"memo": "y"}, "false", "false"),
    ({"args.memo": {"has": True}}, {}, "false", "false"),
    ({"args.memo": {"has": False}}, {}, "true", "true"),
    ({"args.memo": {"has": True}}, {"memo": ""}, "true", "true"),
    ({"args.memo": {"has": True, "eq": "x"}}, {}, "false", "false"),
    ({"args.memo": {"eq": "x"}, "args.amount": {"gt": 10}}, {}, "false", "false"),
    ({"args.memo": {"eq": "x"}, "args.amount": {"lte": 10}}, {}, "unknown", "unknown"),
    ({"args.memo": {"same_as": "args.currency"}}, {"memo": "EUR"}, "true", "true"),
    ({"args.memo": {"same_as": "args.currency"}}, {"memo": "USD"}, "false", "false"),
    ({"args.currency": {"same_as": "args.memo"}}, {}, "unknown", "unknown"),
    ({"args.currency": {"same_as": "agent.labels.none"}}, {}, "unknown", "unknown"),
    ({"args.currency": {"same_as": "agent.labels.k"}}, {"currency": "v"}, "true", "true"),
    ({"args.payee.name": {"eq": "A"}}, {"payee": {"name": "A"}}, "true", "true"),
    ({"args.payee.name": {"eq": "A"}}, {}, "unknown", "unknown"),
    ({"args.payee.bic": {"eq": "A"}}, {"payee": {"name": "A"}}, "unknown", "unknown"),
    # lists: a permit asks for every element, a forbid for any; empty is absent
    ({"args.tags": {"eq": "a"}}, {"tags": ["a", "a"]}, "true", "true"),
    ({"args.tags": {"eq": "a"}}, {"tags": ["a", "b"]}, "false", "true"),
    ({"args.tags": {"eq": "a"}}, {"tags": ["b"]}, "false", "false"),
    ({"args.tags": {"ne": "a"}}, {"tags": ["a", "b"]}, "false", "true"),
    ({"args.tags": {"eq": "a"}}, {"tags": []}, "unknown", "unknown"),
    ({"args.tags": {"eq": "a"}}, {}, "unknown", "unknown"),
    ({"args.tags": {"eq": "a", "absent_ok": True}}, {"tags": []}, "true", "true"),
    ({"args.tags": {"has": True}}, {"tags": []}, "false", "false"),
    ({"args.tags": {"same_as": "args.currency"}}, {"tags": ["EUR", "x"]}, "false", "true"),
    ({"agent.groups": {"has": True}}, {}, "false", "false"),
    # any: true wins over unknown, unknown over false
    ({"any": [{"args.memo": {"eq": "x"}}, {"args.amount": {"eq": 10}}]}, {}, "true", "true"),
    ({"any": [{"args.memo": {"eq": "x"}}, {"args.amount": {"eq": 11}}]}, {}, "unknown", "unknown"),
    ({"any": [{"args.amount": {"eq": 12}}, {"args.amount": {"eq": 11}}]}, {}, "false", "false"),
    # what a dry run does not know
    ({"task.principal": {"eq": "p"}}, {}, "unknown", "unknown"),
    ({"token.ttl_s": {"lte": 900}}, {}, "unknown", "unknown"),
    ({"context.level": {"eq": 1}}, {}, "unknown", "unknown"),
]


@pytest.mark.parametrize(("when", "args", "permit", "forbid"), THREE_VALUED)
def test_three_values(when: dict[str, Any], args: dict[str, Any], permit: str, forbid: str) -> None:
    assert (result("permit", when, args), result("forbid", when, args)) == (permit, forbid)


CONTEXT: list[tuple[dict[str, Any], Any, str]] = [
    ({"eq": 1}, 1.0, "true"), ({"eq": 1}, 2, "false"), ({"eq": 1}, "1", "unknown"), ({"eq": 1}, True, "unknown"),
    ({"eq": True}, 1, "unknown"), ({"eq": True}, True, "true"), ({"ne": "a"}, 1, "unknown"), ({"in": ["a", 1]}, 2, "false"),
    ({"in": ["a", 1]}, True, "unknown"), ({"gt": 2}, "high", "unknown"), ({"gt": 2}, [3], "unknown"), ({"gt": 2},
    {}, "unknown"),
    ({"gt": 2}, None, "unknown"), ({"glob": "a*"}, "ab", "true"), ({"glob": "a*"}, 1, "unknown"), ({"has": True}, [3], "true"),
    ({"eq": "e"}, "e\u0301", "unknown"), ({"gt": 2}, 10**50, "unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "value", "wanted"), CONTEXT)
@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_untyped_context_values_of_another_kind_are_unknown(
    condition: dict[str, Any], value: Any, wanted: str, effect: str
) -> None:
    assert result(effect, {"context.level": condition}, {}, context={"level": value}) == wanted


@pytest.mark.parametrize("context", [{}, {"risk": "high"}, {"risk": None}, {"risk": [9]}, {"other": 1}, {"risk": 9}])
def test_a_forbid_that_reads_a_missing_or_mistyped_value_denies(context: dict[str, Any]) -> None:
    policy = make_policy([ALLOW, {"id": "F", "effect": "forbid", "when": {"context.risk": {"gt": 5}}}])
    made = ask(policy, context=context)
    assert (made.reason, made.rules) == ("forbidden", ["F"])
    assert ask(policy, context={"risk": 5}).reason == "permitted"


INVALID: list[tuple[str, dict[str, Any], str]] = [
    ("undeclared tool", {"tool": "pay.sent"}, "tool"),
    ("undeclared argument", {"args": {"x": 1}}, "args.x"),
    ("missing", {"args": {"amount": None}}, "args.amount"),
    ("text for a number", {"args": {"amount": "10"}}, "args.amount"),
    ("bool for a number", {"args": {"amount": True}}, "args.amount"),
    ("not NFC", {"args": {"memo": "e\u0301"}}, "args.memo"),
    ("list for a string", {"args": {"memo": ["a"]}}, "args.memo"),
    ("string for a list", {"args": {"tags": "a"}}, "args.tags"),
    ("undeclared member", {"args": {"payee": {"name": "a", "x": 1}}}, "args.payee"),
    ("a resource nobody asked for", {"resource": "s3://crm"}, "resource"),
    ("resource missing", {"tool": "crm.read"}, "resource"),
    ("resource not normal", {"tool": "crm.read", "resource": "s3://crm/../x"}, "resource"),
    ("resource with percent", {"tool": "crm.read", "resource": "s3://crm/%2e"}, "resource"),
    ("resource of another kind", {"tool": "crm.read", "resource": "/etc/passwd"}, "resource"),
    ("claim of another type", {"context": {"token.ttl_s": "long"}}, "context.token.ttl_s"),
    ("fact of another type", {"token": {"ttl_s": 1.5}}, "token.ttl_s"),
    ("two intents", {"intent": "a", "task": {"intent": "b"}}, "intent"),
]


@pytest.mark.parametrize(("parts", "field"), [row[1:] for row in INVALID], ids=[row[0] for row in INVALID])
def test_invalid_requests_name_the_field_and_no_rule_rescues_them(parts: dict[str, Any], field: str) -> None:
    made = ask(make_policy([ALLOW]), **parts)
    assert (made.allowed, made.reason, made.field) == (False, "invalid_request", field)
    assert made.rules == []
    assert made.arguments is None
    assert ask(make_policy([ALLOW])).allowed, "positive control"


def test_agents_that_may_not_act() -> None:
    policy = make_policy([ALLOW])
    request = Request("bot", "pay.send", {"amount": 1, "currency": "EUR"}, now_us=MONDAY_NOON_US)
    dead: list[tuple[Agent | None, str]] = [
        (None, "no registered agent"),
        (make_agent(state="suspended"), "suspended"),
        (make_agent(state="retired"), "retired"),
        (make_agent(expires_us=MONDAY_NOON_US), "expired"),
        (make_agent(name="other"), "at hand"),
    ]
    for agent, words in dead:
        made = decide(policy, agent, request)
        assert (made.reason, made.field) == ("invalid_request", "agent")
        assert words in str(made.message)
    assert decide(policy, make_agent(expires_us=MONDAY_NOON_US + 1), request).allowed
    assert decide(policy, make_agent(name="b2", aliases=["bot"]), request).allowed


def test_without_a_policy_everything_is_denied() -> None:
    made = ask(None)
    assert (made.allowed, made.reason) == (False, "not_permitted")
    assert "no policy is active" in str(made.message)


def test_default_deny_and_forbid_overrides() -> None:
    assert ask(make_policy([])).reason == "not_permitted"
    policy = make_policy([ALLOW, {"id": "F2", "effect": "forbid"}, {"id": "F1", "effect": "forbid"}])
    assert (ask(policy).reason, ask(policy).rules) == ("forbidden", ["F1", "F2"])


def test_match_reads_the_registry_and_an_unset_environment_is_unknown() -> None:
    table: list[tuple[dict[str, Any], dict[str, Any], bool, bool]] = [
        ({"agents": ["bot"]}, {}, True, True), ({"agents": ["b*"]}, {}, True, True), ({"agents": ["x"]}, {}, False, False),
        ({"groups": ["g", "h"]}, {"groups": ["h"]}, True, True), ({"groups": ["g"]}, {}, False, False),
        ({"env": ["prod"]}, {}, True, True), ({"env": ["dev"]}, {}, False, False), ({"env": ["dev"]},
        {"env": None}, False, True),
        ({"min_trust": 2}, {}, True, True), ({"min_trust": 3}, {}, False, False),
        ({"intents": ["i"]}, {}, False, True), ({"agents": ["x"], "intents": ["i"]}, {}, False, False),
    ]  # fmt: skip
    for match, agent, allowed, forbidden in table:
        who = make_agent(**agent)
        assert ask(make_policy([{"match": match}]), agent=who).allowed is allowed, match
        both = make_policy([ALLOW, {"id": "F", "effect": "forbid", "match": match}])
        assert (ask(both, agent=who).reason == "forbidden") is forbidden, match


def test_intent_comes_with_the_request_the_task_or_a_claim() -> None:
    policy = make_policy([{"match": {"intents": ["pay"]}}])
    for parts in ({"intent": "pay"}, {"task": {"intent": "pay"}}, {"context": {"task.intent": "pay"}}):
        assert ask(policy, **parts).allowed
    assert not ask(policy, intent="play").allowed
    # what an enforcement point left open is not filled up from claims
    assert not ask(policy, task={}, context={"task.intent": "pay"}).allowed


def test_near_misses_are_the_permits_failing_fewest_conditions() -> None:
    policy = make_policy(
        [
            {
                "id": "A",
                "match": {"agents": ["x"]},
                "when": {"context.a": {"lte": 5}, "data.sensitivity": {"lte": "internal"}},
            },
            {"id": "B", "match": {"tools": ["pay.send"]}, "when": {"args.amount": {"lte": 5}}},
            {"id": "C", "match": {"tools": ["pay.send"]}, "when": {"args.memo": {"eq": "x"}}},
            {"id": "D", "match": {"tools": ["crm.read"]}},
        ]
    )
    assert ask(policy).near_misses == [
        {"rule": "B", "failed": [{"fact": "args.amount", "op": "lte", "operand": 5, "value": 10, "result": "false"}]},
        {
            "rule": "C",
            "failed": [{"fact": "args.memo", "op": "eq", "operand": "x", "value": None, "result": "unknown"}],
        },
    ]
    json.dumps(ask(policy).to_json())


def test_sensitivity_takes_the_longest_prefix_and_unlisted_is_restricted() -> None:
    data = {"s3://crm/": "internal", "s3://crm/board": "restricted", "S3://PUB": "public"}
    rules: list[dict[str, Any]] = [
        {"match": {"tools": ["crm.read"]}, "when": {"data.sensitivity": {"lte": "internal"}}}
    ]
    policy = make_policy(rules, data=data)
    for resource, allowed in [
        ("s3://crm/a", True), ("s3://crm", True), ("s3://crm/board", False), ("s3://crm/board/x", False),
        ("s3://crm/boardroom", True),
        ("s3://crm-evil/a", False), ("s3://pub/a", True), ("s3://elsewhere", False),
    ]:  # fmt: skip
        assert ask(policy, "crm.read", resource=resource).allowed is allowed, resource


def test_a_tool_without_a_resource_has_no_known_sensitivity() -> None:
    policy = make_policy([ALLOW, {"id": "F", "effect": "forbid", "when": {"data.sensitivity": {"gt": "public"}}}])
    assert ask(policy).reason == "forbidden"
    guarded = {"data.sensitivity": {"gt": "public"}, "resource": {"has": True}}
    assert ask(make_policy([ALLOW, {"id": "F", "effect": "forbid", "when": guarded}])).allowed


def test_obligations_are_united_and_must_be_performable() -> None:
    log: dict[str, Any] = {"type": "log_prompt", "redact": ["args.memo"]}
    policy = make_policy([{"obligations": [log, {"type": "notification"}]}, {"obligations": [log]}])
    made = ask(policy)
    assert (made.rules, made.obligations) == (["R0", "R1"], [log, {"type": "notification"}])
    request = Request("bot", "pay.send", {"amount": 1, "currency": "EUR"})
    refused = decide(policy, make_agent(), request, frozenset({"log_prompt"}))
    assert (refused.allowed, refused.reason) == (False, "not_permitted")
    assert "notification" in str(refused.message)
    assert decide(policy, make_agent(), request, frozenset({"log_prompt", "notification"})).allowed


WINDOW = {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "18:00"}
TIMES: list[tuple[str, bool]] = [
    ("2026-11-23T06:59:59Z", False), ("2026-11-23T07:00:00Z", True), ("2026-11-23T16:59:59Z", True),
    ("2026-11-23T17:00:00Z", False),
    ("2026-11-22T12:00:00Z", False),  # a Sunday
    ("2026-07-06T06:00:00Z", True), ("2026-07-06T16:00:00Z", False),  # summer time: an hour earlier in UTC
    ("2026-11-22T23:30:00Z", False),  # Monday in Berlin, but before eight
]  # fmt: skip


@pytest.mark.parametrize(("now", "allowed"), TIMES)
def test_time_windows_are_local_and_end_exclusive(now: str, allowed: bool) -> None:
    from nhictl.core.policy.instant import parse_instant

    policy = make_policy([{"when": {"time": WINDOW}}], timezone="Europe/Berlin")
    made = ask(policy, now_us=parse_instant(now))
    assert made.allowed is allowed
    if not allowed:
        assert made.near_misses[0]["failed"][0]["fact"] == "time"


def test_the_tool_receives_the_value_that_was_decided_upon() -> None:
    policy = make_policy([ALLOW])
    made = ask(policy, "crm.read", resource="S3://CRM:/a".replace(":/a", "/a/"))
    assert (made.arguments, made.resource) == ({"query": "q"}, "s3://crm/a")
    nested = ask(policy, args={"payee": {"name": "A"}, "memo": None})
    assert nested.arguments == {"amount": 10, "currency": "EUR", "payee": {"name": "A"}}


def test_explain_lists_forbids_first_with_the_values_seen() -> None:
    policy = make_policy(
        [
            {"id": "A", "when": {"args.amount": {"lte": 5}}},
            {"id": "Z", "effect": "forbid", "when": {"args.memo": {"eq": "x"}}},
        ],
        tools={"pay.send": {"args": {"amount": "number", "memo": {"type": "string", "optional": True}}}},
    )
    rows = explain(policy, make_agent(), Request("bot", "pay.send", {"amount": 7}))
    assert [(row["rule"], row["effect"], row["result"], row["applies"]) for row in rows] == [
        ("Z", "forbid", "unknown", True),
        ("A", "permit", "false", False),
    ]
    assert rows[1]["conditions"] == [{"fact": "args.amount", "op": "lte", "operand": 5, "value": 7, "result": "false"}]
    assert explain(policy, None, Request("bot", "pay.send")) == []
