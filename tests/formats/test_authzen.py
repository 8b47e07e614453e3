"""AuthZEN: its requests as our calls, our decisions as its answers, several at once, and what is no request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nhictl.errors import InputError
from nhictl.formats import authzen
from nhictl.ops.authzen import evaluate
from nhictl.ops.check_policy import bench
from nhictl.ops.house import House

OWNED: dict[str, Any] = {
    "resource": {"type": {"type": "string", "ownerID": {"type": "email", "optional": True}}, "optional": True}
}
POLICY: dict[str, Any] = {
    "nhictl_policy": 1,
    "tools": {
        "todo.update": {"args": {**OWNED, "title": {"type": "string", "optional": True}}},
        "crm.read": {"args": {"query": "string"}, "resource": "uri"},
        "file.read": {"args": {"path": "path"}, "resource": "args.path"},
        "ping": {},
    },
    "rules": [
        {
            "id": "OWN", "effect": "permit", "match": {"tools": ["todo.update"]}, "obligations": [{"type": "log_prompt"}],
            "when": {"args.resource.ownerID": {"same_as": "agent.labels.email"}, "args.resource.type": {"eq": "todo"}},
        },
        {"id": "CRM", "effect": "permit", "match": {"tools": ["crm.read"]}, "when": {"resource": {"under": "s3://crm"}}},
        {"id": "FILE", "effect": "permit", "match": {"tools": ["file.read"]}},
        {"id": "PING", "effect": "permit", "match": {"tools": ["ping"], "intents": ["watch"]}},
        {"id": "IP", "effect": "forbid", "when": {"context.ip": {"has": True, "eq": "6.6.6.6"}}},
    ],
}  # fmt: skip
POLICY["tools"]["file.read"]["resource"] = "{args.path}"
AGENTS = {
    "nhictl_agents": 1,
    "agents": [
        {
            "name": "bot", "owner": "o@x.example", "purpose": "p", "labels": {"email": "Bot@x.example"},
            "aliases": ["CiRfm9vcHM"],
        }
    ],
}  # fmt: skip


def ask(house: House, value: Any) -> tuple[dict[str, Any], int]:
    place = bench(house, [("p", json.dumps(POLICY).encode())], ("a", json.dumps(AGENTS).encode()))
    return evaluate(place, value)


def request(tool: str = "todo.update", who: str = "bot", **more: Any) -> dict[str, Any]:
    resource = {"type": "todo", "id": "7", "properties": {"ownerID": "bot@x.example"}}
    made = {"subject": {"type": "agent", "id": who}, "action": {"name": tool}, "resource": resource}
    return {**made, **more}


def crm(ident: str) -> dict[str, Any]:
    action = {"name": "crm.read", "properties": {"query": "q"}}
    return request(action=action, resource={"type": "record", "id": ident})


OWN = {"ownerID": "bot@x.example"}
READ = {"name": "file.read", "properties": {"path": "/a"}}
PING: dict[str, Any] = {"context": {"task.intent": "watch"}}


@pytest.mark.parametrize(
    ("value", "decision", "reason", "rules"),
    [
        (request(), True, "permitted", ["OWN"]),
        (request(who="CiRfm9vcHM"), True, "permitted", ["OWN"]),
        (request(who="spiffe://example.org/agent/bot"), True, "permitted", ["OWN"]),
        (request(who="spiffe://example.org/agent/CiRfm9vcHM"), False, "invalid_request", []),
        (request(who="ghost"), False, "invalid_request", []),
        (request(resource={"type": "todo", "id": "7", "properties": {"ownerID": "eve@x.example"}}), False, "not_permitted", []),
        (request(resource={"type": "todo", "id": "7"}), False, "not_permitted", []),
        (request(resource={"type": "user", "id": "7", "properties": {"ownerID": "bot@x.example"}}), False, "not_permitted", []),
        (request(resource={"type": "todo", "id": "7", "properties": {**OWN, "x": {}}}), True, "permitted", ["OWN"]),
        (request(resource={"type": "todo", "id": "7", "properties": {"ownerID": 7}}), False, "invalid_request", []),
        (request(more=1, subject={"type": "a", "id": "bot", "properties": {"email": "x"}}), True, "permitted", ["OWN"]),
        (request(action={"name": "todo.update", "properties": {"title": "t"}}), True, "permitted", ["OWN"]),
        (request(action={"name": "todo.update", "properties": {"undeclared": "t"}}), False, "invalid_request", []),
        (request("undeclared"), False, "invalid_request", []),
        (request(context={"ip": "6.6.6.6"}), False, "forbidden", ["IP"]),
        (request(context={"ip": "1.1.1.1", "nested": {"a": [1]}}), True, "permitted", ["OWN"]),
        (crm("s3://crm/1"), True, "permitted", ["CRM"]),
        (crm("s3://crm-evil/1"), False, "not_permitted", []),
        (crm("s3://crm/../x"), False, "invalid_request", []),
        (request(action=READ, resource={"type": "f", "id": "/a"}), True, "permitted", ["FILE"]),
        (request(action=READ, resource={"type": "f", "id": "/b"}), False, "invalid_request", []),
        (request("ping", **PING), True, "permitted", ["PING"]),
        (request("ping"), False, "not_permitted", []),
    ],
)  # fmt: skip
def test_one(empty_house: House, value: Any, decision: bool, reason: str, rules: list[str]) -> None:
    made, status = ask(empty_house, value)
    assert (made["decision"], made["context"]["reason"], made["context"]["rules"]) == (decision, reason, rules)
    assert status == (0 if decision else 1)
    assert made["context"]["obligations"] == ([{"type": "log_prompt"}] if rules == ["OWN"] else [])


def test_a_spiffe_id_is_of_the_trust_domain_where_there_is_a_home(house: House) -> None:
    assert ask(house, request(who="spiffe://example.org/agent/bot"))[1] == 0
    assert ask(house, request(who="spiffe://elsewhere.example/agent/bot"))[1] == 1


@pytest.mark.parametrize(
    "value",
    [
        [], "x", None, {}, {"subject": {}},
        request(subject={"id": "bot"}), request(subject={"type": "a"}), request(subject={"type": "a", "id": 7}),
        request(action={}), request(action={"name": None}), request(action={"name": "ping", "properties": []}),
        request(resource={"type": "t"}), request(resource={"id": "x"}), request(context=[]),
        request(resource={"type": "todo", "id": "7", "properties": {"type": "user"}}),
        {**request(), "evaluations": {}, "options": 1, "subject": None},
        {**request(), "evaluations": [{}], "options": {"evaluations_semantic": "whatever"}},
        {**request(), "evaluations": "xx"},
        {**request(), "evaluations": [{}] * (authzen.MAX_EVALUATIONS + 1)},
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(empty_house: House, value: Any) -> None:
    if (
        isinstance(value, dict)
        and isinstance(value.get("subject"), dict)
        and isinstance(value["subject"].get("id"), dict)
    ):
        value = {**value, "subject": value["subject"]["id"]}
    with pytest.raises(InputError):
        ask(empty_house, value)


YES: dict[str, Any] = {"context": {}}
NO: dict[str, Any] = {"context": {"ip": "6.6.6.6"}}


@pytest.mark.parametrize(
    ("semantic", "items", "expected", "status"),
    [
        (None, [YES, NO, YES], [True, False, True], 1),
        ("execute_all", [YES, YES], [True, True], 0),
        ("deny_on_first_deny", [YES, NO, YES], [True, False], 1),
        ("deny_on_first_deny", [YES, YES], [True, True], 0),
        ("permit_on_first_permit", [NO, YES, NO], [False, True], 0),
        ("permit_on_first_permit", [NO, NO], [False, False], 1),
        (None, [{"action": {"name": "ping"}, **PING}, {"subject": None}, 7, YES], [True, False, False, True], 1),
        ("deny_on_first_deny", [{"subject": None}, YES], [False], 1),
    ],
)
def test_several(empty_house: House, semantic: str | None, items: list[Any], expected: list[bool], status: int) -> None:
    value = {**request(), "evaluations": items}
    if semantic is not None:
        value["options"] = {"evaluations_semantic": semantic}
    made, code = ask(empty_house, value)
    assert ([one["decision"] for one in made["evaluations"]], code) == (expected, status)


def test_a_broken_one_of_several_says_why(empty_house: House) -> None:
    made, _ = ask(empty_house, {**request(), "evaluations": [{"resource": {"type": "todo"}}]})
    assert made["evaluations"][0]["context"]["error"] == {"status": 400, "message": "`resource.id` is missing"}


def test_without_evaluations_it_is_a_single_one(empty_house: House) -> None:
    assert ask(empty_house, {**request(), "evaluations": []})[0]["decision"] is True


def test_answers_are_of_the_published_shape(empty_house: House, shared: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    folder = shared / "data" / "authzen"
    asked, answered = (
        json.loads((folder / f"evaluation-{kind}.schema.json").read_text()) for kind in ("request", "response")
    )
    for value in (request(), request("ping"), crm("s3://crm/../x"), *asked["examples"]):
        jsonschema.validate(value, asked)
        jsonschema.validate(ask(empty_house, value)[0], answered)
    for one in ask(empty_house, {**request(), "evaluations": [YES, NO, 7]})[0]["evaluations"]:
        jsonschema.validate(one, answered)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"decision": "allow"}, answered)
