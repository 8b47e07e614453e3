"""Deciding with facts missing: never another answer than the whole facts give, and undecided only for what is read."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.policy.change import change_of
from nhictl.core.policy.decide import decide
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.partial import Case, Judge, Judgement
from nhictl.core.policy.registry import Agent
from nhictl.core.policy.request import Request
from tests.core.policy import generated
from tests.core.policy.policy_help import MONDAY_NOON_US, make_agent, make_policy
from tests.core.policy.test_policy_properties import answer, calls, parse, rule_lists

HIDEABLE = ("args", "args.n", "args.s", "args.l", "context", "token", "intent", "agent", "time", "resource")


def case_of(call: tuple[Agent, Request], hidden: frozenset[str]) -> Case:
    """The call with some of its facts gone; what was left out of the request is known to be absent."""
    agent, request = call
    erased = frozenset(path[5:] for path in hidden if path.startswith("args.") and path[5:] in request.args)
    claims: dict[str, Any] = {} if "token" in hidden else {"token.ttl_s": (request.token or {}).get("ttl_s")}
    return Case(
        request.tool, "bot", agent, assumed="agent" in hidden,
        args=None if "args" in hidden else {k: v for k, v in request.args.items() if k not in erased}, erased=erased,
        resource=None if "resource" in hidden else request.resource, resource_known="resource" not in hidden,
        intent=None if "intent" in hidden else request.intent, now_us=None if "time" in hidden else request.now_us,
        claims=claims, context={} if "context" in hidden else {"k": request.context.get("k")},
    )  # fmt: skip


def whole_case(agent: Agent, request: Request, hidden: set[str]) -> Case:
    """Any request of the generator with facts gone; nested arguments are erased whole."""
    claims: dict[str, Any] = {}
    for head, told in (("task", request.task), ("token", request.token)):
        if head not in hidden:
            names = ("principal", "delegation_depth", "id") if head == "task" else ("ttl_s", "bound")
            claims |= {f"{head}.{name}": (told or {}).get(name) for name in names}
    erased = frozenset(path[5:] for path in hidden if path[:5] == "args." and path[5:] in request.args)
    context = {"k": request.context.get("k"), "j": request.context.get("j")}
    return Case(
        request.tool, agent.name, agent, assumed="agent" in hidden,
        args=None if "args" in hidden else {k: v for k, v in request.args.items() if k not in erased}, erased=erased,
        resource=None if "resource" in hidden else request.resource, resource_known="resource" not in hidden,
        intent=None if "intent" in hidden else request.intent, now_us=None if "time" in hidden else request.now_us,
        claims=claims, context={k: v for k, v in context.items() if f"context.{k}" not in hidden},
    )  # fmt: skip


NAMES = tuple(f"args.{name}" for name in "nibsfuphewlkmo")
EVERYTHING = ("args", *NAMES, "context.k", "context.j", "task", "token", "intent", "agent", "time", "resource")


def test_no_missing_fact_is_made_up_in_the_whole_language() -> None:
    """Every type, operator and gate, and `same_as` between facts of which one or both are gone."""
    decided = {"allow": 0, "deny": 0, "unknown": 0}
    for seed in range(2000, 2060):
        r = Random(seed)
        document, agents = generated.document(r), generated.agents(r)
        policy = parse_policy([("generated", generated.as_bytes(document))])
        judge = Judge(policy)
        for _ in range(40):
            agent = r.choice(agents)
            request = generated.request(r, agent)
            whole = decide(policy, agent, request)
            hidden = set(r.sample(EVERYTHING, r.choice([0, 1, 1, 2, 4])))
            made = judge.judge(whole_case(agent, request, hidden))
            decided[made.decision] += 1
            if made.decision == "unknown":
                assert set(made.missing), (seed, made)
            else:
                assert made.decision == ("allow" if whole.allowed else "deny"), (seed, hidden, made, whole.reason)
            if not hidden and request.intent is not None:
                assert (made.reason, made.rules) == (whole.reason, whole.rules)
    assert min(decided.values()) > 100, decided


hidden_sets = st.frozensets(st.sampled_from(HIDEABLE), max_size=3)


@settings(max_examples=50, deadline=None)
@given(rule_lists, st.lists(st.tuples(calls(), hidden_sets), min_size=1, max_size=4))
def test_no_missing_fact_is_made_up(rules: Any, asked: list[tuple[tuple[Agent, Request], frozenset[str]]]) -> None:
    policy = parse(rules)
    judge = Judge(policy)
    for call, hidden in asked:
        whole = answer(policy, call)
        if whole.reason == "invalid_request":
            continue  # arguments that are gone count as valid ones
        made = judge.judge(case_of(call, hidden))
        if made.decision == "unknown":
            assert made.reason == "indeterminate"
            assert made.missing
        else:
            assert made.decision == ("allow" if whole.allowed else "deny"), (call[1].args, hidden, made)
            if made.decision == "allow" or made.reason == "forbidden":
                assert set(made.rules) <= set(whole.rules)


@settings(max_examples=25, deadline=None)
@given(rule_lists, calls())
def test_with_every_fact_it_is_the_engine(rules: Any, call: tuple[Agent, Request]) -> None:
    policy = parse(rules)
    whole = answer(policy, call)
    if call[1].intent is None or call[1].token is None:
        return  # absent there, missing here
    made = Judge(policy).judge(case_of(call, frozenset()))
    assert (made.reason, made.rules) == (whole.reason, whole.rules)


@settings(max_examples=50, deadline=None)
@given(rule_lists, rule_lists, calls(), st.sampled_from(["args", "args.n", "args.s", "args.l"]))
def test_erasing_an_argument_leaves_the_class_or_opens_it(
    before: Any, after: Any, call: tuple[Agent, Request], gone: str
) -> None:
    old, new = Judge(parse(before)), Judge(parse(after))

    def changed(hidden: frozenset[str]) -> str:
        case = case_of(call, hidden)
        return change_of(old.judge(case).decision, new.judge(case).decision)

    whole, less = changed(frozenset()), changed(frozenset({gone}))
    assert less == whole or less in {"maybe_gained", "maybe_revoked", "unknown"}
    assert (whole, less) not in {("gained", "maybe_revoked"), ("revoked", "maybe_gained")}


def ask(rules: list[dict[str, Any]], tool: str = "pay.send", **parts: Any) -> Judgement:
    agent = parts.pop("agent", make_agent())
    only = [{**rule, "match": {"tools": [tool], **rule.get("match", {})}} for rule in rules]
    policy = make_policy(only, **parts.pop("policy", {}))
    return Judge(policy).judge(Case(tool, "bot", agent, **parts))


PAY: dict[str, Any] = {"amount": 10, "currency": "EUR"}
AMOUNT, MEMO = frozenset({"amount"}), frozenset({"memo"})
EITHER: dict[str, Any] = {"when": {"any": [{"args.amount": {"lte": 50}}, {"args.memo": {"has": False}}]}}
LOW = {"when": {"args.amount": {"lte": 50}}}


@pytest.mark.parametrize(
    ("rules", "parts", "expected"),
    [
        ([{}], {"args": None}, ("allow", "permitted", ["R0"], ())),
        ([LOW], {"args": PAY}, ("allow", "permitted", ["R0"], ())),
        ([LOW], {"args": None}, ("unknown", "indeterminate", ["R0"], ("args.amount",))),
        ([LOW], {"args": {"currency": "EUR"}, "erased": AMOUNT}, ("unknown", "indeterminate", ["R0"], ("args.amount",))),
        ([LOW], {"args": {"amount": 99}, "erased": frozenset({"currency"})}, ("deny", "not_permitted", [], ())),
        ([LOW], {"args": {"amount": "x"}, "erased": frozenset({"currency"})}, ("deny", "invalid_request", [], ())),
        ([LOW], {"args": {"amount": 1}}, ("deny", "invalid_request", [], ())),
        ([LOW, {}], {"args": None}, ("allow", "permitted", ["R1"], ())),
        ([{}, {"effect": "forbid", **LOW}], {"args": None}, ("unknown", "indeterminate", ["R1"], ("args.amount",))),
        ([{}, {"effect": "forbid"}], {"args": None}, ("deny", "forbidden", ["R1"], ())),
        ([{**LOW, "match": {"agents": ["other"]}}], {"args": None}, ("deny", "not_permitted", [], ())),
        ([{"match": {"min_trust": 2}}], {"args": PAY}, ("allow", "permitted", ["R0"], ())),
        ([{"match": {"min_trust": 2}}], {"args": PAY, "assumed": True}, ("unknown", "indeterminate", ["R0"], ("agent.trust",))),
        ([{"match": {"agents": ["b*"]}}], {"args": PAY, "assumed": True}, ("allow", "permitted", ["R0"], ())),
        ([{"match": {"intents": ["pay"]}}], {"args": PAY}, ("unknown", "indeterminate", ["R0"], ("task.intent",))),
        ([{"match": {"intents": ["pay"]}}], {"args": PAY, "intent": "pay"}, ("allow", "permitted", ["R0"], ())),
        ([{"match": {"intents": ["pay"]}}], {"args": PAY, "intent": "play"}, ("deny", "not_permitted", [], ())),
        ([{"when": {"context.ip": {"eq": "x"}}}], {"args": PAY}, ("unknown", "indeterminate", ["R0"], ("context.ip",))),
        ([{"when": {"time": {"days": ["mon"]}}}], {"args": PAY}, ("unknown", "indeterminate", ["R0"], ("time",))),
        ([{"when": {"time": {"days": ["mon"]}}}], {"args": PAY, "now_us": MONDAY_NOON_US}, ("allow", "permitted", ["R0"], ())),
        ([{"when": {"args.amount": {"has": True}}}], {"args": None}, ("allow", "permitted", ["R0"], ())),
        ([{"when": {"args.memo": {"has": True}}}], {"args": None}, ("unknown", "indeterminate", ["R0"], ("args.memo",))),
        ([EITHER], {"args": PAY, "erased": MEMO}, ("allow", "permitted", ["R0"], ())),
        ([{}], {"args": PAY, "agent": make_agent(state="suspended")}, ("deny", "invalid_request", [], ())),
        ([{}], {"args": PAY, "agent": make_agent(expires_us=5)}, ("allow", "permitted", ["R0"], ())),
        ([{}], {"args": PAY, "agent": make_agent(expires_us=5), "now_us": 6}, ("deny", "invalid_request", [], ())),
        ([{}], {"args": PAY, "agent": None}, ("deny", "invalid_request", [], ())),
    ],
)  # fmt: skip
def test_what_is_read_decides(rules: Any, parts: dict[str, Any], expected: tuple[Any, ...]) -> None:
    made = ask(rules, **parts)
    assert (made.decision, made.reason, made.rules, made.missing) == expected


def test_resources_that_nobody_saw() -> None:
    under = [{"when": {"resource": {"under": "s3://crm"}}}]
    unseen: dict[str, Any] = {"tool": "crm.read", "args": {"query": "q"}}
    assert ask([{}], **unseen).decision == "allow"
    assert ask(under, **unseen).missing == ("resource",)
    seen = ask(under, **unseen, resource="s3://crm/x")
    assert seen.decision == "allow"
    tools = {"get": {"args": {"bucket": "string", "key": "string"}, "resource": "s3://{args.bucket}/{args.key}"}}
    made = ask(under, "get", policy={"tools": tools}, args={"key": "k"}, erased=frozenset({"bucket"}))
    assert (made.decision, made.missing) == ("unknown", ("resource",))
    made = ask(under, "get", policy={"tools": tools}, args={"key": "k", "bucket": "crm"})
    assert made.decision == "allow"


def test_gates_with_facts_missing() -> None:
    parts: dict[str, Any] = {
        "classes": {"out": {"tools": ["pay.send"], "requires": "guardrail"}},
        "guardrails": {
            "G": {"class": "out", "approved_by": "cfo", "expires": "2026-12-31", "within": {"args.amount": {"lte": 5}}}
        },
    }
    for more, expected in (
        ({"args": {**PAY, "amount": 5}, "now_us": MONDAY_NOON_US}, ("allow", ())),
        ({"args": PAY, "now_us": MONDAY_NOON_US}, ("deny", ())),
        ({"args": PAY}, ("deny", ())),
        ({"args": {**PAY, "amount": 5}}, ("unknown", ("time",))),
        ({"args": None, "now_us": MONDAY_NOON_US}, ("unknown", ("args.amount",))),
        ({"args": None, "now_us": 2 * MONDAY_NOON_US}, ("deny", ())),
    ):
        made = ask([{}], policy=parts, **more)
        assert (made.decision, made.missing) == expected, more
    assert ask([{}], policy=parts, args=None).classes == ("out",)
