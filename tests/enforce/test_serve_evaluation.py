"""AuthZEN over a served socket: every answer holds to the standard's schemas, is recorded, and is never an old one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from nhictl.formats import authzen
from nhictl.ops import policies
from nhictl.ops.audit_log import verify_home
from nhictl.ops.check_policy import Bench, Call
from nhictl.ops.end_task import end_task
from nhictl.ops.freeze import freeze
from nhictl.ops.revoke_token import Selector, revoke
from tests.enforce.served import Served, evaluation
from tests.enforce.test_guard_live import AUDIENCE as TOOLS
from tests.enforce.test_guard_live import Stage
from tests.ops.token_home import AUDIENCE, Authority, add_task, add_token, records


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("served") / "home")


@pytest.fixture(scope="module")
def served(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(authority.house, tmp_path_factory.mktemp("s") / "s")
    yield made
    made.stop()


def read(subject: str = "report-bot", limit: Any = 10, **properties: Any) -> dict[str, Any]:
    return evaluation(subject, "reports.read", {"limit": limit}, AUDIENCE + "/2026", **properties)


CASES: list[tuple[str, dict[str, Any], bool, str]] = [
    ("allowed", read(), True, "permitted"),
    ("by its SPIFFE ID", read("spiffe://example.org/agent/report-bot"), True, "permitted"),
    ("an unknown agent", read("nobody"), False, "invalid_request"),
    ("an undeclared tool", evaluation("report-bot", "reports.undeclared"), False, "invalid_request"),
    ("a forbidden tool", evaluation("report-bot", "reports.purge"), False, "forbidden"),
    ("no rule", evaluation("report-bot", "reports.audit"), False, "not_permitted"),
    ("an argument of another type", read(limit="ten"), False, "invalid_request"),
    ("members beyond the standard's", read() | {"more": 1}, True, "permitted"),
]


@pytest.mark.parametrize(("body", "allowed", "reason"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_an_agent_is_evaluated_as_a_dry_run_says_and_recorded(
    authority: Authority, served: Served, body: dict[str, Any], allowed: bool, reason: str
) -> None:
    before = len(records(authority.house))
    found = served.evaluate(body)
    assert (found.status, found.json["decision"], found.json["context"]["reason"]) == (200, allowed, reason)
    made = records(authority.house)[before:]
    assert [(r["type"], r["outcome"], r["dec"]["reason"]) for r in made] == [
        ("policy.evaluated", "ok" if allowed else "deny", reason)
    ]
    asked = authzen.evaluation(body)
    policy = policies.active(authority.house)
    assert policy is not None
    resource = authzen.resource_id(asked, policy.tool(asked.action))
    dry = Bench(authority.house, None, None).decide(
        Call(asked.action, asked.subject, args=asked.properties, resource=resource)
    )
    assert (dry.allowed, dry.reason) == (allowed, reason)


def test_every_answer_holds_to_the_standards_schemas(shared: Path, served: Served, authority: Authority) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    folder = shared / "data" / "authzen"
    asked, said = (
        jsonschema.Draft202012Validator(json.loads((folder / f"evaluation-{name}.schema.json").read_text()))
        for name in ("request", "response")
    )
    token = authority.token.token
    bodies = [c[1] for c in CASES] + [read(token=token, audience=AUDIENCE), read(token="x.y.z", audience=AUDIENCE)]
    for body in bodies:
        asked.validate(body)
        said.validate(served.evaluate(body).json)
    several = served.ask("POST", "/access/v1/evaluations", {"evaluations": [*bodies, {"subject": 1}, 7]}).json
    assert len(several["evaluations"]) == len(bodies) + 2
    for one in several["evaluations"]:
        said.validate(one)


MALFORMED: list[tuple[bytes, int, str]] = [
    (b"", 400, "invalid_json"),
    (b"{", 400, "invalid_json"),
    (b'{"subject":{},"subject":{}}', 400, "invalid_json"),
    (b"\xff", 400, "invalid_json"),
    (b"[]", 400, "invalid_request_line"),
    (b"[" * 100 + b"]" * 100, 400, "invalid_json"),
    (json.dumps(read() | {"subject": {"type": "agent"}}).encode(), 400, "invalid_request_line"),
    (json.dumps(read() | {"action": {"name": ""}}).encode(), 400, "invalid_tool"),
    (json.dumps(read() | {"action": {"name": "é"}}).encode(), 400, "invalid_tool"),
    (json.dumps({"evaluations": [read()]}).encode(), 400, "invalid_request_line"),
    (json.dumps(read(token=5, audience=AUDIENCE)).encode(), 400, "invalid_input"),
    (json.dumps(read(token="a.b.c", audience="two words")).encode(), 400, "invalid_audience"),
]


@pytest.mark.parametrize(("body", "status", "code"), MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_request_is_refused_and_not_recorded(
    authority: Authority, served: Served, body: bytes, status: int, code: str
) -> None:
    before = len(records(authority.house))
    found = served.evaluate(body, headers={"content-type": "application/json", "x-request-id": "abc-1"})
    assert (found.status, found.json["error"]["code"]) == (status, code)
    assert found.headers["x-request-id"] == "abc-1"
    assert len(records(authority.house)) == before
    assert served.evaluate(b"{}", headers={"content-type": "text/plain"}).status == 415


def test_a_token_is_judged_whole_and_its_holder_has_to_be_the_subject(authority: Authority, served: Served) -> None:
    good = add_token(authority.house, authority.task)
    before = len(records(authority.house))
    shown: Any = {"token": good.token, "audience": AUDIENCE}
    asked = [
        (read(**shown), True, "permitted"),
        (read("other-bot", **shown), False, "subject_mismatch"),
        (read("nobody", **shown), False, "subject_mismatch"),
        (read(limit=101, **shown), False, "authz_insufficient"),
        (evaluation("report-bot", "mail.send", **shown), False, "authz_insufficient"),
        (read(token=good.token, audience="urn:else"), False, "aud_mismatch"),
    ]
    for body, allowed, reason in asked:
        found = served.evaluate(body).json
        assert (found["decision"], found["context"]["reason"]) == (allowed, reason), found
    made = records(authority.house)[before:]
    assert [(r["type"], r["dec"]["reason"], r["ext"]["point"]) for r in made] == [
        ("token.used" if allowed else "token.denied", reason, "serve") for _, allowed, reason in asked
    ]


def test_uses_are_taken_once_whoever_asks(authority: Authority, served: Served) -> None:
    token = add_token(authority.house, authority.task, uses=2)
    body = read(token=token.token, audience=AUDIENCE)
    found = served.ask("POST", "/access/v1/evaluations", {"evaluations": [body] * 3}).json["evaluations"]
    assert [one["context"]["reason"] for one in found] == ["permitted", "permitted", "uses_exhausted"]
    assert served.evaluate(body).json["context"]["reason"] == "uses_exhausted"


def test_several_are_decided_in_order_in_one_transaction(authority: Authority, served: Served) -> None:
    yes, no = read(), read("nobody")
    for semantic, asked, expected in [
        ("execute_all", [yes, no, yes], [True, False, True]),
        ("deny_on_first_deny", [yes, no, yes], [True, False]),
        ("permit_on_first_permit", [no, yes, no], [False, True]),
    ]:
        before = len(records(authority.house))
        body = {"evaluations": asked, "options": {"evaluations_semantic": semantic}}
        found = served.ask("POST", "/access/v1/evaluations", body).json["evaluations"]
        assert [one["decision"] for one in found] == expected
        assert len(records(authority.house)) == before + len(expected)
    shared_subject = {
        "subject": yes["subject"],
        "resource": yes["resource"],
        "evaluations": [{"action": yes["action"]}],
    }
    assert served.ask("POST", "/access/v1/evaluations", shared_subject).json["evaluations"][0]["decision"]
    assert served.ask("POST", "/access/v1/evaluations", yes).json["decision"]  # none of several: a single one (§7.1)
    assert served.ask("POST", "/access/v1/evaluations", {"evaluations": [yes] * 257}).status == 400
    broken = {"evaluations": [{"subject": 1}]}
    before = len(records(authority.house))
    assert not served.ask("POST", "/access/v1/evaluations", broken).json["evaluations"][0]["decision"]
    assert len(records(authority.house)) == before


def test_a_freeze_and_an_end_are_felt_at_the_next_request(authority: Authority, served: Served) -> None:
    task = add_task(authority.house, "other-bot")
    token = add_token(authority.house, task)
    body = read("other-bot", token=token.token, audience=AUDIENCE)
    assert served.evaluate(body).json["decision"]
    end_task(authority.house, task, "killed", None)
    assert served.evaluate(body).json["context"]["reason"] == "task_killed"
    assert served.evaluate(read("other-bot")).json["decision"]
    freeze(authority.house, "agent", "other-bot", "drill")
    found = served.evaluate(read("other-bot")).json
    assert (found["decision"], found["context"]["field"]) == (False, "agent")


def test_limits_count_every_evaluation_and_an_approval_lets_one_through(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "home")
    token: Any = {"token": stage.token.decode(), "audience": TOOLS}
    served = Served(stage.house, tmp_path / "s")
    try:
        note = evaluation("bot", "note.write", {"text": "x"}, **token)
        found = served.ask("POST", "/access/v1/evaluations", {"evaluations": [note] * 3}).json["evaluations"]
        assert [one["context"]["reason"] for one in found] == ["permitted", "permitted", "limit_exceeded"]
        drop = evaluation("bot", "file.drop", {"path": "/srv/a"}, **token)
        denied = served.evaluate(drop).json["context"]
        assert denied["reason"] == "approval_required"
        stage.approve(denied["access_request"]["id"])
        assert [served.evaluate(drop).json["decision"] for _ in range(2)] == [True, False]
        mail = served.evaluate(evaluation("bot", "mail.send", {"to": "a@example.org"}, **token)).json
        assert mail["context"]["obligations"] == [{"type": "notification", "to": "ops"}]
    finally:
        served.stop()
        stage.house.close()


def test_under_load_no_answer_is_older_than_a_revocation(authority: Authority, served: Served) -> None:
    """Four clients ask without a pause while tokens are revoked one after another: what was asked after a revocation was
    answered is denied, and what was asked whole before one began is allowed.
    """
    tokens = [add_token(authority.house, authority.task) for _ in range(6)]
    bodies = [json.dumps(read(token=t.token, audience=AUDIENCE)).encode() for t in tokens]
    gone = [float("inf")] * len(tokens)
    going = [float("inf")] * len(tokens)
    seen: list[tuple[int, float, float, bool]] = []
    stop = threading.Event()

    def client(first: int) -> None:
        over = served.connection()
        at = first
        while not stop.is_set():
            which = at % len(tokens)
            began = time.monotonic()
            found = served.evaluate(bodies[which], headers={"content-type": "application/json"}, over=over).json
            seen.append((which, began, time.monotonic(), found["decision"]))
            at += 1
        over.close()

    clients = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for one in clients:
        one.start()
    for number, token in enumerate(tokens):
        time.sleep(0.1)
        going[number] = time.monotonic()
        revoke(authority.house, Selector(jti=token.jti), "drill")
        gone[number] = time.monotonic()
    time.sleep(0.1)
    stop.set()
    for one in clients:
        one.join()
    stale = [s for s in seen if s[3] and s[1] > gone[s[0]]]
    early = [s for s in seen if not s[3] and s[2] < going[s[0]]]
    assert (stale, early) == ([], [])
    assert {s[3] for s in seen} == {True, False}
    assert verify_home(authority.house, ()).verdict.startswith("VERIFIED")
