"""Decisions against other engines on the same rules and requests, each answer compared; without a peer its row is left out.

Each peer gets its policy loaded beforehand, in the fastest form that its documentation shows: Cedar a parsed policy
set and entities and its batch call, Rego a compiled module, CEL one compiled expression a rule, casbin its ABAC model.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from typing import Any

from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.decide import decide, gather
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.registry import Agent
from nhictl.core.policy.request import Request
from nhictl.formats import cedar, cedar_request
from tests.bench.measure import Row, pairs
from tests.bench.policy import document

Asked = list[tuple[Agent, Request]]
Ask = Callable[[], list[bool]]


def rows(rounds: int) -> list[Row]:
    """200 rules against every peer, 10,000 against those that can."""
    made = [
        _against("cedarpy", 200, 500, _cedar, rounds, 20.0),
        _against("casbin", 200, 20, _casbin, rounds, None),
        _against("regopy", 200, 20, _rego, rounds, None),
        _against("cel", 200, 100, _cel, rounds, None, shown="CEL in Rust"),
        _against("cedarpy", 10_000, 20, _cedar, max(3, rounds // 2), 200.0),
        _against("casbin", 10_000, 2, _casbin, 3, None),
        _against("cel", 10_000, 5, _cel, 3, None, shown="CEL in Rust"),
    ]
    return [row for row in made if row is not None]


def requests(rules: int, count: int) -> Asked:
    """Requests of which some are allowed, some are over their limit and some are of the wrong agent."""
    groups = max(10, rules // 10)
    agents = [Agent(f"agent{n}", "o", "p") for n in range(groups)]
    made = []
    for n in range(count):
        at = (n * 7) % groups
        agent = agents[at if n % 5 else (at + 1) % groups]
        args = {"amount": 100_001 if n % 4 == 3 else 90 + 40 * (n % 60), "currency": "EUR" if n % 11 else "CHF"}
        made.append((agent, Request(agent.name, f"tool{at}.run", args, None, "work")))
    return made


def _against(
    module: str, rules: int, count: int, load: Callable[[Policy, Asked], Ask], rounds: int, least: float | None,
    shown: str | None = None,
) -> Row | None:  # fmt: skip
    if importlib.util.find_spec(module) is None:
        return None
    policy, asked = parse_policy([("bench", document(rules))]), requests(rules, count)
    theirs = load(policy, asked)
    many = max(1, 2_000 // count)

    def ours() -> list[bool]:
        found: list[bool] = []
        for _ in range(many):
            found = [decide(policy, agent, request).allowed for agent, request in asked]
        return found

    expected = ours()
    if expected != theirs():
        raise AssertionError(f"{module} decides otherwise at {rules} rules")
    if count > 10 and not 0 < sum(expected) < count:
        raise AssertionError("the requests ask for one answer alone")
    mine, peer, ratio = pairs(ours, theirs, rounds)
    faster = many / ratio
    return Row(
        f"decisions, {rules} rules, against {shown or module}", f"{many * count / mine:.0f}/s", f"{count / peer:.0f}/s",
        f"{faster:.0f} × faster", "–" if least is None else f"≥ {least:g} ×", None if least is None else faster >= least,
    )  # fmt: skip


def _cedar(policy: Policy, asked: Asked) -> Ask:
    import cedarpy

    exported = cedar.export(policy)
    assert not exported.refused
    policies = cedarpy.PolicySet.from_str(exported.text)
    agents = list({agent.name: agent for agent, _ in asked}.values())
    known = cedarpy.Entities.from_json_str(json.dumps(cedar_request.entities(agents)))
    made = [cedar_request.request_of(policy, gather(policy, agent, request)[0]) for agent, request in asked]
    return lambda: [answer.allowed for answer in cedarpy.is_authorized_batch(made, policies, known)]


def _facts(request: Request) -> dict[str, Any]:
    return {"agent": request.agent, "intent": request.intent, "tool": request.tool, "args": request.args}


def _rule(form: dict[str, Any]) -> tuple[str, str, str, str, float]:
    """A rule of the bench's policies: agent, intent, tool, operator and limit."""
    match = form["match"]
    amount = next(clause for clause in form["all"] if clause[0] == "args.amount")
    return match["agents"][0], match["intents"][0], match["tools"][0], {"lte": "<=", "gt": ">"}[amount[1]], amount[2]


def _casbin(policy: Policy, asked: Asked) -> Ask:
    import casbin

    model = casbin.Model()
    model.add_def("r", "r", "sub, act, intent, args")
    model.add_def("p", "p", "sub, act, intent, cond, eft")
    model.add_def("e", "e", "some(where (p.eft == allow)) && !some(where (p.eft == deny))")
    model.add_def("m", "m", "r.sub == p.sub && r.act == p.act && r.intent == p.intent && eval(p.cond)")
    enforcer = casbin.Enforcer(model)
    for form in policy.form["rules"]:
        agent, intent, tool, op, limit = _rule(form)
        condition = f"r.args.amount {op} {limit} && r.args.currency in ('EUR', 'USD')"
        enforcer.add_policy(agent, tool, intent, condition, "allow" if form["effect"] == "permit" else "deny")

    class Args:
        def __init__(self, args: dict[str, Any]) -> None:
            self.__dict__.update(args)

    made = [(request.agent, request.tool, request.intent, Args(request.args)) for _, request in asked]
    return lambda: [bool(enforcer.enforce(*one)) for one in made]


def _rego(policy: Policy, asked: Asked) -> Ask:
    import regopy

    lines = ["package bench", "default allow := false", "allow if { permit; not deny }", "default deny := false"]
    for form in policy.form["rules"]:
        agent, intent, tool, op, limit = _rule(form)
        tests = f'input.agent == "{agent}"; input.intent == "{intent}"; input.tool == "{tool}"; input.args.amount {op} {limit}'
        lines.append(
            f'{form["effect"].replace("forbid", "deny")} if {{ {tests}; input.args.currency in {{"EUR", "USD"}} }}'
        )
    engine = regopy.Interpreter()
    engine.add_module("bench", "\n".join(lines))
    made = [_facts(request) for _, request in asked]

    def ask() -> list[bool]:
        found = []
        for one in made:
            engine.set_input(one)
            found.append(str(engine.query("data.bench.allow")) == '{"expressions":[true]}')  # else `undefined`
        return found

    return ask


def _cel(policy: Policy, asked: Asked) -> Ask:
    import cel

    programs: dict[str, list[Any]] = {"permit": [], "forbid": []}
    for form in policy.form["rules"]:
        agent, intent, tool, op, limit = _rule(form)
        tests = f'agent == "{agent}" && tool == "{tool}" && intent == "{intent}" && args.amount {op} {limit}'
        programs[form["effect"]].append(cel.compile(f'{tests} && args.currency in ["EUR", "USD"]'))
    made = [_facts(request) for _, request in asked]
    return lambda: [
        not any(one.execute(facts) for one in programs["forbid"])
        and any(one.execute(facts) for one in programs["permit"])
        for facts in made
    ]
