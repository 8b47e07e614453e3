"""Properties of the engine, and its agreement with a second evaluator on generated policies and requests."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.decide import Decision, decide
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.registry import Agent
from nhictl.core.policy.request import Request
from tests.core.policy import reference
from tests.core.policy.policy_help import MONDAY_NOON_US, document, make_agent

TOOLS: dict[str, Any] = {
    "a.x": {
        "args": {
            "n": {"type": "number", "optional": True},
            "s": {"type": "string", "optional": True},
            "l": {"type": ["string"], "optional": True},
        },
        "resource": "uri",
    },
    "a.y": {
        "args": {
            "n": {"type": "number", "optional": True},
            "s": {"type": "string", "optional": True},
            "l": {"type": ["string"], "optional": True},
        }
    },
}
DATA = {"s3://a": "internal", "s3://a/b": "restricted", "s3://c": "public"}

numbers = st.sampled_from([0, 1, 1.0, 2, 2.5, -1])
words = st.sampled_from(["a", "ab", "b", "a/b", ""])
texts = st.sampled_from(["a", "ab", "b", "a/b"])
globs = st.sampled_from(["*", "a*", "*b", "a/*", "a"])
scalars: st.SearchStrategy[Any] = st.one_of(numbers, words, st.booleans())
prefixes = st.sampled_from(["s3://a", "s3://a/b", "s3://c", "s3://a/"])


def one_of_ops(
    choices: dict[str, st.SearchStrategy[Any]], *, absent_ok: bool = True
) -> st.SearchStrategy[dict[str, Any]]:
    """One or two operators on a fact, or presence beside one."""

    @st.composite
    def build(draw: Any) -> dict[str, Any]:
        made = {
            op: draw(choices[op])
            for op in draw(st.lists(st.sampled_from(sorted(choices)), min_size=1, max_size=2, unique=True))
        }
        extra = draw(st.sampled_from(["", "", "has", "absent_ok"]))
        if extra == "has":
            made["has"] = draw(st.booleans())
        elif extra and absent_ok:
            made["absent_ok"] = True
        return made

    return build()


order = dict.fromkeys(("lt", "lte", "gt", "gte", "eq", "ne"), numbers) | {
    "in": st.lists(numbers, min_size=1, max_size=2)
}
text_ops: dict[str, st.SearchStrategy[Any]] = {
    "eq": words, "ne": words, "in": st.lists(words, min_size=1, max_size=2), "not_in": st.lists(words, min_size=1, max_size=2),
    "glob": globs, "starts_with": texts,
}  # fmt: skip
untyped: dict[str, st.SearchStrategy[Any]] = {
    "eq": scalars, "ne": scalars, "in": st.lists(scalars, min_size=1, max_size=3),
    "not_in": st.lists(scalars, min_size=1, max_size=3),
    "lt": numbers, "gte": numbers, "glob": globs, "starts_with": texts,
}  # fmt: skip
ranks = st.sampled_from(reference.RANKS)
CONDITIONS = {
    "args.n": one_of_ops(order),
    "args.s": one_of_ops(text_ops),
    "args.l": one_of_ops(text_ops),
    "context.k": one_of_ops(untyped),
    "resource": one_of_ops({"under": prefixes, "eq": st.sampled_from(["s3://a", "s3://a/b"])}),
    "data.sensitivity": one_of_ops({"lt": ranks, "lte": ranks, "gt": ranks, "gte": ranks, "eq": ranks}),
    "token.ttl_s": one_of_ops({"lte": st.sampled_from([1, 2]), "gt": st.sampled_from([1, 2])}),
}


@st.composite
def boxes(draw: Any) -> dict[str, Any]:
    paths = draw(st.lists(st.sampled_from(sorted(CONDITIONS)), min_size=1, max_size=3, unique=True))
    return {path: draw(CONDITIONS[path]) for path in paths}


@st.composite
def rule_bodies(draw: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"effect": draw(st.sampled_from(["permit", "permit", "forbid"]))}
    options = {
        "agents": ["bot"], "groups": ["g"], "intents": ["pay*"], "env": ["prod"], "tools": ["a.*"], "min_trust": 2,
    }  # fmt: skip
    chosen = draw(st.lists(st.sampled_from(sorted(options)), max_size=2, unique=True))
    if chosen:
        made["match"] = {key: options[key] for key in chosen}
        if "agents" in chosen:
            made["match"]["agents"] = draw(st.sampled_from([["bot"], ["other"], ["b*"]]))
        if "tools" in chosen:
            made["match"]["tools"] = draw(st.sampled_from([["a.x"], ["a.*"], ["a.y", "a.x"]]))
    if draw(st.booleans()):
        made["when"] = draw(boxes())
        if draw(st.booleans()):
            made["when"]["any"] = draw(st.lists(boxes(), min_size=1, max_size=2))
    return made


rule_lists = st.lists(rule_bodies(), min_size=1, max_size=5).map(
    lambda bodies: [{"id": f"R{number}", **body} for number, body in enumerate(bodies)]
)


@st.composite
def calls(draw: Any) -> tuple[Agent, Request]:
    tool = draw(st.sampled_from(["a.x", "a.y"]))
    args = {
        name: draw(value)
        for name, value in (("n", numbers), ("s", words), ("l", st.lists(words, max_size=2)))
        if draw(st.booleans())
    }
    context = {"k": draw(scalars)} if draw(st.booleans()) else {}
    agent = make_agent(
        env=draw(st.sampled_from(["prod", "dev", None])),
        trust=draw(st.integers(0, 3)),
        groups=draw(st.sampled_from([[], ["g"], ["h"]])),
    )
    resource = draw(st.sampled_from(["s3://a", "s3://a/b/c", "s3://a-b", "s3://c/d"])) if tool == "a.x" else None
    token = draw(st.sampled_from([None, {"ttl_s": 1}, {"ttl_s": 2}]))
    intent = draw(st.sampled_from([None, "pay", "play"]))
    return agent, Request("bot", tool, args, resource, intent, MONDAY_NOON_US, context, token=token)


def parse(rules: list[dict[str, Any]]) -> Policy:
    return parse_policy([("p", document(tools=TOOLS, data=DATA, **({"rules": rules} if rules else {})))])


def answer(policy: Policy, call: tuple[Agent, Request]) -> Decision:
    return decide(policy, call[0], call[1])


def facts_of(call: tuple[Agent, Request]) -> dict[str, Any]:
    """The facts as the reference wants them."""
    agent, request = call
    made: dict[str, Any] = {f"args.{name}": value for name, value in request.args.items()}
    made.update({f"context.{name}": value for name, value in request.context.items()})
    made.update({"agent.name": agent.name, "agent.trust": agent.trust, "env": agent.env, "groups": agent.groups})
    made.update({"tool": request.tool, "resource": request.resource, "task.intent": request.intent})
    made["token.ttl_s"] = request.token["ttl_s"] if request.token else None
    return made


@settings(max_examples=400, deadline=None)
@given(rule_lists, st.lists(calls(), min_size=1, max_size=4))
def test_agrees_with_the_reference(rules: list[dict[str, Any]], asked: list[tuple[Agent, Request]]) -> None:
    policy = parse(rules)
    for call in asked:
        made = answer(policy, call)
        assert (made.reason, made.rules) == reference.decide(rules, DATA, facts_of(call))


@st.composite
def gate_parts(draw: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, int]]:
    """Classes, guardrails, and when each guardrail ends."""
    classes: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from("KLM"), min_size=1, max_size=3, unique=True)):
        classes[name] = {"tools": draw(st.sampled_from([["a.x"], ["a.y"], ["a.x", "a.y"]]))}
        if requires := draw(st.sampled_from([None, "guardrail", "approval", "guardrail_or_approval"])):
            classes[name]["requires"] = requires
    guardrails, ends = {}, {}
    for number in range(draw(st.integers(0, 4))):
        within = draw(boxes().filter(lambda found: "resource" not in found and "data.sensitivity" not in found))
        late, text, end = draw(
            st.sampled_from(
                [
                    (True, "2026-11-23", MONDAY_NOON_US - 13 * 3_600_000_000),
                    (True, "2026-11-23T12:00:00Z", MONDAY_NOON_US),
                    (False, "2026-11-24", MONDAY_NOON_US + 11 * 3_600_000_000),
                ]
            )
        )
        of = draw(st.sampled_from(sorted(classes)))
        guardrails[f"G{number}"] = {"class": of, "approved_by": "cfo", "expires": text, "within": within}
        ends[f"G{number}"] = end
        assert late == (end <= MONDAY_NOON_US)
    return classes, guardrails, ends


@settings(max_examples=200, deadline=None)
@given(rule_lists, gate_parts(), st.lists(calls(), min_size=1, max_size=4))
def test_gates_agree_with_the_reference(
    rules: list[dict[str, Any]],
    gates: tuple[dict[str, Any], dict[str, Any], dict[str, int]],
    asked: list[tuple[Agent, Request]],
) -> None:
    classes, guardrails, ends = gates
    parts: dict[str, Any] = {"classes": classes, "timezone": "Europe/Berlin"}
    if guardrails:
        parts["guardrails"] = guardrails
    policy = parse_policy([("p", document(tools=TOOLS, data=DATA, rules=rules, **parts))])
    plain = parse(rules)
    for call in asked:
        made, facts = answer(policy, call), facts_of(call)
        reason, ids = reference.decide(rules, DATA, facts)
        held, shut = reference.gated(classes, guardrails, facts, ends, MONDAY_NOON_US)
        if reason == "permitted" and shut:
            assert (made.reason, [gate["class"] for gate in made.gates]) == ("approval_required", shut)
        else:
            assert (made.reason, made.rules) == (reason, ids)
        if reason == "permitted":
            assert made.guardrails == held
        assert answer(plain, call).allowed or not made.allowed  # a gate never gains
        again = answer(Policy.from_json(policy.to_json()), call)
        assert json.dumps(again.to_json()) == json.dumps(made.to_json())


@settings(deadline=None)
@given(rule_lists, rule_bodies(), calls())
def test_a_further_forbid_never_gains_and_a_permit_less_never_gains(
    rules: list[dict[str, Any]], extra: dict[str, Any], call: tuple[Agent, Request]
) -> None:
    before = answer(parse(rules), call)
    more = parse([*rules, {**extra, "id": "X", "effect": "forbid"}])
    assert before.allowed or not answer(more, call).allowed
    for rule in rules:
        if rule["effect"] == "permit":
            fewer = parse([other for other in rules if other is not rule])
            assert before.allowed or not answer(fewer, call).allowed


@settings(deadline=None)
@given(rule_lists, calls(), st.randoms(use_true_random=False), st.integers(0, 5))
def test_order_and_files_change_nothing(
    rules: list[dict[str, Any]], call: tuple[Agent, Request], random: Any, cut: int
) -> None:
    policy = parse(rules)
    shuffled = list(rules)
    random.shuffle(shuffled)
    files = [("t", document(tools=TOOLS)), ("d", document(data=DATA))]
    files += [(str(i), document(rules=part)) for i, part in enumerate((shuffled[:cut], shuffled[cut:])) if part]
    random.shuffle(files)
    split = parse_policy(files)
    assert split.digest == policy.digest
    assert split.to_json() == policy.to_json()
    assert json.dumps(answer(split, call).to_json()) == json.dumps(answer(policy, call).to_json())


@settings(deadline=None)
@given(rule_lists, calls())
def test_the_compiled_form_reads_back_and_decides_identically(
    rules: list[dict[str, Any]], call: tuple[Agent, Request]
) -> None:
    policy = parse(rules)
    again = Policy.from_json(policy.to_json())
    assert again.digest == policy.digest
    assert Policy(again.form).to_json() == policy.to_json()
    made = [json.dumps(answer(p, call).to_json()) for p in (policy, again, policy)]
    assert made[0] == made[1] == made[2]


@settings(deadline=None)
@given(rule_lists, calls(), st.sampled_from(["n", "s", "l", "context", "token", "intent"]))
def test_leaving_something_out_never_dodges_a_forbid(
    rules: list[dict[str, Any]], call: tuple[Agent, Request], left_out: str
) -> None:
    """For forbids that do not ask for presence themselves, and are not content with absence, silence is no way out."""

    def strict(body: dict[str, Any]) -> dict[str, Any]:
        return {op: operand for op, operand in body.items() if op not in {"has", "absent_ok"}}

    for rule in rules:
        when = rule.get("when", {})
        for one in [when, *when.get("any", [])]:
            one.update({path: strict(body) for path, body in one.items() if path != "any"})
    policy = parse([*rules, {"id": "ALL", "effect": "permit"}])  # so that only forbids can deny
    agent, request = call
    parts: dict[str, Any] = {
        "args": {k: v for k, v in request.args.items() if k != left_out},
        "context": {} if left_out == "context" else request.context,
        "token": None if left_out == "token" else request.token,
        "intent": None if left_out == "intent" else request.intent,
    }
    less = Request("bot", request.tool, resource=request.resource, now_us=request.now_us, **parts)
    assert answer(policy, call).allowed or not answer(policy, (agent, less)).allowed
