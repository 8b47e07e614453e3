"""What came of a call that a served evaluation allowed: told over HTTP by whoever may, once, whatever ended meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from nhictl.core.ledger.event_line import read as read_event
from nhictl.enforce.serve.workers import Workers
from nhictl.errors import ConflictError
from nhictl.ops.audit_log import verify_home
from nhictl.ops.callers import FILE
from nhictl.ops.guard_call import Call, settle
from nhictl.ops.issue_token import issue_token
from nhictl.ops.record_events import record_events
from nhictl.ops.replay import Filter, from_home
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.ops.state_check import hold
from nhictl.store.lock import WriteLock
from tests.enforce.served import Answered, Served, evaluation
from tests.enforce.test_guard_live import AUDIENCE, Stage
from tests.ops import delegation_home
from tests.ops.token_home import records

SECRETS = {name: name * 10 for name in ("gateway", "neighbour")}
MAIL = ("mail.send", {"to": "a@example.org"})


class Place:
    """A home with limits, served over TCP to its agent, which has a token, and to two listed callers."""

    def __init__(self, folder: Path) -> None:
        self.stage = Stage(folder / "home")
        self.house = self.stage.house
        self.token = self.stage.token.decode()
        callers = [
            {
                "name": name,
                "secret_sha256": sha256(secret.encode()).hexdigest(),
                "may": ["metrics"],
                "audiences": [AUDIENCE],
            }
            for name, secret in SECRETS.items()
        ]
        (self.house.home / FILE).write_text(json.dumps({"nhictl_serve": 1, "callers": callers}))
        (self.house.home / FILE).chmod(0o600)
        self.served = Served(self.house, folder / "s", tcp=True, base="http://pdp", audience=AUDIENCE)

    def who(self, name: str | None) -> dict[str, str]:
        return {"authorization": f"Bearer {SECRETS.get(name, name) if name else self.token}"}

    def ask(self, tool: str, args: dict[str, Any], by: str | None = None, call: str | None = None) -> dict[str, Any]:
        """The context of an evaluation, allowed or not; by the agent itself with its token, or by a listed caller."""
        said = {} if call is None else {"call": call}
        shown = {} if by is None else {"token": self.token}
        body = evaluation("bot", tool, args, **said, **shown)
        found = self.served.evaluate(body, headers=self.who(by)).json
        assert found["decision"] is (found["context"]["reason"] == "permitted"), found
        context: dict[str, Any] = found["context"]
        return context

    def tell(self, record: int, outcome: str = "ok", by: str | None = None, **more: Any) -> Answered:
        body = {"record": record, "outcome": outcome, **more}
        return self.served.ask("POST", "/results", body, headers=self.who(by))

    def kinds(self) -> list[str]:
        return [str(r["type"]) for r in records(self.house) if r["type"].startswith(("tool.", "token.used"))]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.served.stop()
    assert verify_home(made.house, ()).exit == 0
    assert hold(made.house).differences == []
    made.house.close()


@pytest.mark.parametrize("ended", ["revoked", "expired"])
def test_a_call_and_its_result_are_one_event_though_the_token_ended_in_between(place: Place, ended: str) -> None:
    record = place.ask(*MAIL, call="toolu_1")["record"]
    if ended == "revoked":
        revoke(place.house, Selector(task=place.stage.task), None)
    else:
        place.stage.clock.advance(3600)
    found = place.tell(record, result={"sent": True, "key": "AKIA" + "QXYZ23WVUT4567NM"}, bytes_out=40)
    assert found.status == 200, found.json
    told = records(place.house)[found.json["record"]]
    assert found.json | {"log": None} == {
        "schema": "nhictl.result/v1", "record": found.json["log"]["seq"], "called": record, "repeated": False, "log": None,
    }  # fmt: skip
    assert told["ext"] == {"called": record, "bytes_out": 40, "masked": 1}
    assert (told["call"], told["src"], told["actor"]["id"]) == ("toolu_1", {"state": "recorded"}, "tcp")
    (event,) = [one for one in from_home(place.house, Filter()).events if one.type == "tool.called"]
    assert (event.outcome, event.call, event.args) == ("ok", "toolu_1", MAIL[1])
    assert isinstance(event.result, dict)
    assert event.result["sent"] is True
    denied = place.ask(*MAIL)
    assert denied["reason"] == ("token_revoked" if ended == "revoked" else "token_expired")


def test_the_same_again_is_no_conflict_and_anything_else_is(place: Place) -> None:
    first = place.ask(*MAIL, call="one")["record"]
    said: dict[str, Any] = {"result": {"n": 1}, "bytes_out": 5, "error": None}
    made = place.tell(first, **said).json
    size = len(records(place.house))
    again = place.tell(first, **said)
    assert (again.status, again.json["record"], again.json["repeated"]) == (200, made["record"], True)
    for other in ({"result": {"n": 2}}, {"bytes_out": 6}, {"result": None}, {"error": "no"}):
        conflict = place.tell(first, **{**said, **other})
        assert (conflict.status, conflict.json["error"]["code"]) == (409, "already_settled"), other
    for outcome in ("error", "unknown"):
        assert place.tell(first, outcome, **said).status == 409
    assert len(records(place.house)) == size


def test_who_may_tell(place: Place) -> None:
    mine = place.ask(*MAIL)["record"]  # no call id: the use of a token, which may be told of as well
    theirs = place.ask(*MAIL, by="gateway", call="g")["record"]
    denied = place.ask("file.drop", {"path": "/srv/a"})["record"]
    other = issue_token(place.house, place.stage.task, AUDIENCE)[0].token
    size = len(records(place.house))
    for record, by in ((mine, "neighbour"), (mine, "gateway"), (theirs, "neighbour"), (mine, other), (denied, None),
                       (0, None), (10**6, None)):  # fmt: skip
        found = place.tell(record, by=by)
        assert (found.status, found.json["error"]["code"]) == (404, "call_unknown"), (record, by)
    bare = place.served.ask("POST", "/results", {"record": mine, "outcome": "ok", "token": place.token})
    assert bare.status == 401
    assert place.tell(mine, "error", made=False).json["error"]["code"] == "caller_not_allowed"
    assert len(records(place.house)) == size
    assert place.tell(theirs, by="gateway").status == 200
    assert place.tell(mine, by="neighbour", token=place.token).status == 200  # it was shown the very token
    assert place.kinds()[-2:] == ["tool.returned", "tool.returned"]


def test_limits_are_settled_once(place: Place) -> None:
    """Two calls are the limit of `note.write`, 100 bytes that of `mail.send`."""
    note = ("note.write", {"text": "x"})
    first, second = (place.ask(*note, by="gateway", call=name)["record"] for name in "ab")
    assert place.ask(*note, by="gateway")["reason"] == "limit_exceeded"
    for _ in range(3):
        assert place.tell(first, "error", by="gateway", made=False).status == 200
    assert place.ask(*note, by="gateway")["reason"] == "permitted"
    assert place.ask(*note, by="gateway")["reason"] == "limit_exceeded"
    assert place.tell(second, by="gateway").status == 200
    assert place.ask(*note, by="gateway")["reason"] == "limit_exceeded"
    mail = place.ask(*MAIL)["record"]
    assert place.tell(mail, bytes_out=100).status == 200
    assert place.ask(*MAIL)["reason"] == "limit_exceeded"


GOOD: dict[str, Any] = {"record": 1, "outcome": "ok"}
NONE: list[Any] = [
    [], {}, {"record": 1}, {"outcome": "ok"}, GOOD | {"record": True}, GOOD | {"record": -1}, GOOD | {"outcome": "fine"},
    GOOD | {"outcome": ["ok"]}, GOOD | {"more": 1}, GOOD | {"made": 0}, GOOD | {"made": False}, GOOD | {"error": 3},
    GOOD | {"bytes_out": 1.5}, GOOD | {"token": 1},
]  # fmt: skip
BAD: list[tuple[Any, int, str]] = [
    *((body, 400, "invalid_result") for body in NONE),
    (b'{"record":1,"record":1,"outcome":"ok"}', 400, "invalid_json"),
    (b"\xff", 400, "invalid_json"),
    (b'{"record":1,"outcome":"ok","result":"' + b"x" * (1 << 20) + b'"}', 413, "too_large"),
]


def test_a_result_that_cannot_be_recorded_is_not_taken_and_may_be_told_again(place: Place) -> None:
    record = place.ask(*MAIL)["record"]
    size = len(records(place.house))
    place.served.service.writer.close()
    place.served.service.writer = Workers(place.house, 1, lock_timeout=0.1)
    lock = WriteLock(place.house.lock_path)
    lock.acquire(1)
    try:
        found = place.tell(record, result=1)
        assert (found.status, found.json["error"]["code"], found.headers["retry-after"]) == (503, "lock_timeout", "1")
    finally:
        lock.release()
    assert len(records(place.house)) == size
    again = place.tell(record, result=1)
    assert (again.status, again.json["repeated"]) == (200, False)
    place.served.notes.clear()


def test_of_many_that_tell_at_once_one_is_kept(place: Place) -> None:
    record = place.ask(*MAIL)["record"]
    found: list[Answered] = []
    threads = [threading.Thread(target=lambda n=n: found.append(place.tell(record, result=n % 2))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    kept = [one.json for one in found if one.status == 200]
    assert [one["repeated"] for one in kept].count(False) == 1
    assert (len(kept), [one.status for one in found].count(409)) == (4, 4)
    assert place.kinds().count("tool.returned") == 1


def test_what_is_no_result_is_refused(place: Place) -> None:
    size = len(records(place.house))
    headers = place.who(None) | {"content-type": "application/json"}
    for body, status, code in BAD:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        found = place.served.ask("POST", "/results", data, headers=headers)
        assert (found.status, found.json["error"]["code"]) == (status, code), str(body)[:200]
    for call in ("", "x" * 257, "é", 3, ["a"]):
        body = evaluation("bot", *MAIL, call=call)
        assert place.served.evaluate(body, headers=place.who(None)).status == 400, call
    assert len(records(place.house)) == size


def test_a_bound_token_is_shown_with_its_keys_proof(tmp_path: Path) -> None:
    chain = delegation_home.Chain(tmp_path / "home")
    served = Served(chain.house, tmp_path / "s", tcp=True, base="http://pdp", audience=delegation_home.AUDIENCE)
    try:
        token = chain.chain("one")[1].token

        def ask(path: str, body: dict[str, Any], *, proved: bool = True) -> Answered:
            proof = chain.proof(token, "one", htm="POST", htu="http://pdp" + path).decode()
            headers = {"authorization": f"DPoP {token}"} | ({"dpop": proof} if proved else {})
            return served.ask("POST", path, body, headers=headers)

        record = ask("/access/v1/evaluation", evaluation("one", "a.read", {"n": 1}, call="c")).json["context"]["record"]
        revoke(chain.house, Selector(agent="one"), None)
        refused = ask("/results", {"record": record, "outcome": "ok"}, proved=False)
        assert (refused.status, refused.json["error"]["code"]) == (403, "pop_required")
        assert ask("/results", {"record": record, "outcome": "ok"}).status == 200
    finally:
        served.stop()
        chain.house.close()


@pytest.mark.parametrize("call", [MAIL, ("note.write", {"text": "x"}), ("file.drop", {"path": "/srv/a"})])
def test_no_point_settles_a_call_twice(tmp_path: Path, call: tuple[str, dict[str, Any]]) -> None:
    """Whether or not a limit counts it: in its own process, by another, or by an event that a framework tells."""
    stage = Stage(tmp_path / "home")
    if call[0] == "file.drop":  # counted by no limit
        stage.approve(stage.ask(Call(*call)).request)
    made, other = stage.ask(Call(*call)), stage.ask(Call(*MAIL))
    told = read_event({"type": "tool.returned", "called": made.seq})
    claimed, _ = record_events(stage.house, [told])  # by nobody in particular: it is refused, and settles nothing
    assert not hasattr(claimed[0], "seq")
    named = read_event({"type": "tool.returned", "task": stage.task, "called": made.seq})
    (kept,), _ = record_events(stage.house, [named])
    assert getattr(kept, "evidence", None) == "claimed"
    settle(stage.house, made, "ok", "done")
    size = len(records(stage.house))
    with pytest.raises(ConflictError) as error:
        settle(stage.house, made, "ok", "done")
    assert error.value.code == "already_settled"
    (refused,), _ = record_events(stage.house, [told], stage.token)
    assert getattr(refused, "code", None) == "already_settled"
    assert len(records(stage.house)) == size
    settle(stage.house, other, "ok", "done")
    stage.house.close()
