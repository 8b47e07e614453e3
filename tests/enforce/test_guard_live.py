"""Limits, approvals and obligations at an enforcement point: a call that a human approved passes exactly once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.policy.box import box_from_mapping
from nhictl.ops import decide_approval
from nhictl.ops.activate_policy import activate
from nhictl.ops.guard_call import Answer, Call, Grip, begin, settle
from nhictl.ops.house import House
from nhictl.ops.init import initialise
from nhictl.ops.issue_token import issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from tests.harness import Clock
from tests.ops.token_home import records

AUDIENCE = "urn:tools"
POLICY: dict[str, Any] = {
    "nhictl_policy": 1,
    "tools": {
        "note.write": {"args": {"text": "string"}}, "file.drop": {"args": {"path": "path"}},
        "mail.send": {"args": {"to": "email"}},
    },
    "classes": {"destructive": {"tools": ["file.drop"], "impact": "low", "requires": "approval"}},
    "rules": [
        {"id": "NOTE", "effect": "permit", "match": {"tools": ["note.write"]}},
        {"id": "DROP", "effect": "permit", "match": {"tools": ["file.drop"]}},
        {"id": "MAIL", "effect": "permit", "match": {"tools": ["mail.send"]},
         "obligations": [{"type": "notification", "to": "ops"}]},
    ],
    "approvers": [{"name": "desk", "uid": [4242], "classes": ["destructive"]}],
    "limits": [{"id": "LIM", "match": {"tools": ["note.write"]}, "per": "task", "calls": 2},
               {"id": "OUT", "match": {"tools": ["mail.send"]}, "per": "task", "bytes_out": 100}],
}  # fmt: skip
DROP = Call("file.drop", {"path": "/srv/a"})


class Stage:
    def __init__(self, home: Path) -> None:
        self.clock = Clock()
        self.house = House(home, home / "nhictl.db", clock=self.clock)
        initialise(self.house, "example.org", None)
        activate(self.house, [("policy.yaml", json.dumps(POLICY).encode())])
        register(self.house, Registration("bot", "dev@example.org", "works"), None, None)
        boxes = (box_from_mapping({"tools": ["note.*", "file.*", "mail.*"]}),)
        self.task = str(open_task(self.house, Order("bot", "work", "working", boxes, instance="one"))[0]["id"])
        self.token = issue_token(self.house, self.task, AUDIENCE)[0].token.encode()

    def ask(self, call: Call, *, by_task: bool = False, performs: frozenset[str] | None = None) -> Answer:
        grip = Grip("test", task=self.task) if by_task else Grip("test", AUDIENCE, token=self.token)
        return begin(self.house, grip._replace(performs=performs), call)

    def approve(self, request: str | None) -> None:
        """Somebody else says yes, in another terminal."""
        assert request is not None
        self.house.uid = lambda: 4242
        decide_approval.grant(self.house, decide_approval.show(self.house, request), None)
        self.house.uid = None


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path / "home")
    yield made
    made.house.close()


@pytest.mark.parametrize("by_task", [False, True], ids=["token", "task"])
def test_a_call_that_was_approved_passes_exactly_once(stage: Stage, by_task: bool) -> None:
    denied = stage.ask(DROP, by_task=by_task)
    assert (denied.allowed, denied.reason) == (False, "approval_required")
    assert stage.ask(DROP, by_task=by_task).request == denied.request  # asking again asks nobody twice
    stage.approve(denied.request)
    other = stage.ask(DROP._replace(args={"path": "/srv/b"}), by_task=by_task)
    assert (other.allowed, other.request != denied.request) == (False, True)
    allowed = stage.ask(DROP, by_task=by_task)
    assert allowed.allowed
    settle(stage.house, allowed, "ok", "gone")
    assert stage.ask(DROP, by_task=by_task).reason == "approval_required"
    kinds = [r["type"] for r in records(stage.house)]
    assert (kinds.count("approval.granted"), kinds.count("approval.used")) == (1, 1)
    assert records(stage.house)[allowed.seq]["ext"]["approvals"] == [denied.request]


def test_a_call_with_a_secret_in_it_is_shown_masked_and_bound_as_it_was(stage: Stage) -> None:
    secret = "/srv/AKIA" + "QXYZ23WVUT4567NM"
    call = DROP._replace(args={"path": secret})
    request = stage.ask(call).request
    assert request is not None
    shown = decide_approval.show(stage.house, request)
    assert shown.masked == 1
    assert secret not in json.dumps(shown.call) + shown.statement.decode()
    stage.approve(request)
    assert not stage.ask(
        DROP._replace(args={"path": shown.call["args"]["path"]})
    ).allowed  # what is shown is another call
    assert stage.ask(call).allowed


@pytest.mark.parametrize("by_task", [False, True], ids=["token", "task"])
def test_what_is_counted_is_settled(stage: Stage, by_task: bool) -> None:
    note = Call("note.write", {"text": "x"})
    first, second = (stage.ask(note, by_task=by_task) for _ in range(2))
    over = stage.ask(note, by_task=not by_task)  # counted for the task, however it is named
    assert (first.allowed, second.allowed, over.reason) == (True, True, "limit_exceeded")
    settle(stage.house, first, "ok", None)
    assert stage.ask(note, by_task=by_task).reason == "limit_exceeded"
    settle(stage.house, second, "error", None, made=False)
    again = stage.ask(note, by_task=by_task)
    assert again.allowed
    settle(stage.house, again, "error", None)  # it failed: what it did before is not known
    assert stage.ask(note, by_task=by_task).reason == "limit_exceeded"


@pytest.mark.parametrize("by_task", [False, True], ids=["token", "task"])
def test_bytes_that_left_stop_the_next_call(stage: Stage, by_task: bool) -> None:
    mail = Call("mail.send", {"to": "a@example.org"})  # 22 bytes, of 100
    for made in (True, False, True, True, True, True):  # one that was not made sent nothing
        answer = stage.ask(mail, by_task=by_task)
        assert answer.allowed
        settle(stage.house, answer, "ok" if made else "error", "sent", made=made)
    assert stage.ask(mail, by_task=by_task).reason == "limit_exceeded"


def test_a_token_that_ends_between_the_call_and_its_result_loses_nothing(stage: Stage) -> None:
    note = Call("note.write", {"text": "x"})
    made = stage.ask(note)
    assert made.allowed
    stage.clock.advance(3600)
    settle(stage.house, made, "ok", {"written": 1})
    last = records(stage.house)[-1]
    assert (last["type"], last["outcome"], last["ext"]["called"], "result" in last["c"]) == (
        "tool.returned",
        "ok",
        made.seq,
        True,
    )
    assert stage.ask(note).reason == "token_expired"


def test_a_point_that_cannot_perform_an_obligation_is_denied(stage: Stage) -> None:
    mail = Call("mail.send", {"to": "a@example.org"})
    assert stage.ask(mail).obligations == [{"type": "notification", "to": "ops"}]
    assert stage.ask(mail, performs=frozenset({"notification"})).allowed
    assert not stage.ask(mail, performs=frozenset()).allowed
