"""Requests that are slow, huge, garbled or dropped harm no other, and what cannot be recorded is not decided."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from nhictl.enforce.serve import protocol, workers
from nhictl.enforce.serve.workers import Workers
from nhictl.errors import NhictlError
from nhictl.ops.act import Act
from nhictl.ops.act_together import together
from nhictl.store.lock import WriteLock
from tests.enforce.served import Served, evaluation
from tests.ops.token_home import AUDIENCE, Authority, records

BODY = json.dumps(evaluation("report-bot", "reports.read", {"limit": 1}, AUDIENCE + "/2026")).encode()
HEAD = b"POST /access/v1/evaluation HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("served") / "home")


@pytest.fixture
def impatient(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    monkeypatch.setattr(protocol, "REQUEST_S", 0.4)
    monkeypatch.setattr(protocol, "MAX_OF_ONE", 24)
    made = Served(authority.house, tmp_path_factory.mktemp("s") / "s")
    yield made
    made.stop()


def ended(sock: socket.socket) -> bytes:
    """All that still comes until the other side ends it."""
    found = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while chunk := sock.recv(65536):
            found += chunk
    return found


def test_nobody_is_kept_waiting_by_others(authority: Authority, impatient: Served) -> None:
    before = len(records(authority.house))
    over = impatient.connection()
    slow = [impatient.raw() for _ in range(9)]
    beginnings = [
        b"", b"P", HEAD, HEAD + b"content-length: 500\r\n\r\n", HEAD + b"content-length: 500\r\n\r\n{",
        HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\n{", b"GET / HTTP/1.1\r\n", b"\r\n\r\n\r\n",
        b"POST /token HTTP/1.1\r\nx",
    ]  # fmt: skip
    for one, text in zip(slow, beginnings, strict=True):
        one.sendall(text)
    for _ in range(3):
        assert impatient.ask("POST", "/access/v1/evaluation", json.loads(BODY), over=over).json["decision"]
    over.close()
    for one in slow:  # each is ended, though nobody asked again
        ended(one)
        one.close()
    assert len(records(authority.house)) == before + 3


GARBLED = [
    b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 100,
    b"GET / HTTP/1.1\r\nhost x\r\n\r\n",
    HEAD + b"content-length: -1\r\n\r\n", HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\n",
    HEAD + b"transfer-encoding: chunked\r\n\r\nZZ\r\n", b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 40000 + b"\r\n\r\n",
    HEAD + b"content-length: 5\r\ntransfer-encoding: gzip\r\n\r\n",
]  # fmt: skip


def test_what_is_no_http_is_told_so_and_ended(authority: Authority, impatient: Served) -> None:
    before = len(records(authority.house))
    for text in GARBLED:
        with impatient.raw() as sock, contextlib.suppress(BrokenPipeError):
            sock.sendall(text)
            said = ended(sock)
            assert said == b"" or said.startswith((b"HTTP/1.1 4", b"HTTP/1.1 501")), (text[:60], said[:60])
    assert len(records(authority.house)) == before
    assert impatient.ask("GET", "/health/live").status == 200


def test_a_body_is_read_within_bounds(authority: Authority, impatient: Served) -> None:
    before = len(records(authority.house))
    with impatient.raw() as sock:  # refused by what it says it is, before it comes
        sock.sendall(HEAD + b"content-length: 52428800\r\n\r\n")
        assert ended(sock).startswith(b"HTTP/1.1 413")
    with impatient.raw() as sock, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        sock.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(30):
            sock.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
    whole = json.loads(BODY) | {"context": {"x": "y" * 900_000}}
    assert impatient.evaluate(whole).status == 200
    assert len(records(authority.house)) == before + 1


def test_whoever_leaves_before_the_answer_is_decided_about_and_harms_nobody(
    authority: Authority, impatient: Served
) -> None:
    for _ in range(5):
        with impatient.raw() as sock:
            sock.sendall(HEAD + f"content-length: {len(BODY)}\r\n\r\n".encode() + BODY)
    with impatient.raw() as sock:
        sock.sendall(HEAD + f"content-length: {len(BODY)}\r\n\r\n".encode() + BODY[:-10])
    assert impatient.evaluate(json.loads(BODY)).json["decision"]
    one = HEAD + f"content-length: {len(BODY)}\r\n\r\n".encode() + BODY
    with impatient.raw() as sock:
        sock.sendall(one + one + one.replace(b"host: x", b"host: x\r\nconnection: close"))
        assert ended(sock).count(b'"decision":true') == 3


def test_no_user_can_take_all_connections(impatient: Served) -> None:
    held = [impatient.raw() for _ in range(24)]
    with impatient.raw() as one_more:
        assert ended(one_more) == b""
    for one in held:
        one.close()
    assert impatient.ask("GET", "/health/live").status == 200


def test_what_cannot_be_recorded_is_not_decided(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(records(authority.house))
    made = Served(authority.house, tmp_path_factory.mktemp("s") / "s")
    lock = WriteLock(authority.house.lock_path)
    try:
        made.service.writer.close()
        made.service.writer = Workers(authority.house, 1, lock_timeout=0.1)
        lock.acquire(1)
        found = made.evaluate(json.loads(BODY))
        assert (found.status, found.json["error"]["code"], found.headers["retry-after"]) == (503, "lock_timeout", "1")
        assert made.ask("GET", "/health/ready").status == 200
        lock.release()
        assert made.evaluate(json.loads(BODY)).json["decision"]
        place = authority.house.home / "aside.db"
        authority.house.database.rename(place)
        try:
            found = made.evaluate(json.loads(BODY))
            assert (found.status, found.json["error"]["code"]) == (503, "store_replaced")
            assert made.ask("GET", "/health/ready").status == 503
        finally:
            place.rename(authority.house.database)
        assert made.evaluate(json.loads(BODY)).json["decision"]
        assert made.ask("GET", "/health/ready").status == 200
        codes = [note.partition(":")[0] for note in made.notes]
        assert codes == ["lock_timeout", "store_replaced", "home_incomplete"]  # the last one had no connection yet
        made.notes.clear()
    finally:
        lock.release()
        made.stop()
    assert len(records(authority.house)) == before + 2


def test_too_many_that_wait_are_told_so_at_once(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "WAITING", 2)
    made = Served(authority.house, tmp_path_factory.mktemp("s") / "s")
    lock = WriteLock(authority.house.lock_path)
    lock.acquire(5)
    before = len(records(authority.house))
    asked = [made.connection() for _ in range(8)]
    try:
        for one in asked:
            one.request("POST", "/access/v1/evaluation", BODY, {"content-type": "application/json"})
        assert made.ask("GET", "/health/live").status == 200
    finally:
        lock.release()
    found = [json.loads(one.getresponse().read()) for one in asked]
    for one in asked:
        one.close()
    done = [one for one in found if one.get("decision")]
    refused = [one["error"]["code"] for one in found if "error" in one]
    assert len(done) + len(refused) == 8
    assert set(refused) == {"overloaded"}
    assert len(records(authority.house)) == before + len(done)
    assert {note.partition(":")[0] for note in made.notes} == {"overloaded"}
    made.notes.clear()
    made.stop()


def test_one_act_that_fails_takes_no_other_with_it(authority: Authority) -> None:
    def good(name: str) -> Callable[[Act], int]:
        return lambda act: act.record("policy.evaluated", op=name)

    def bad(act: Act) -> int:
        act.record("policy.evaluated", op="never")
        raise NhictlError("a fault of its own")

    with authority.copy() as house:
        before = len(records(house))
        found = together(house, [good("a"), bad, good("b")])
        assert [isinstance(one, Exception) for one in found] == [False, True, False]
        assert [r["op"] for r in records(house)[before:]] == ["a", "b"]
        both = together(house, [good("c"), good("d")])
        assert isinstance(both[0], tuple)
        assert isinstance(both[1], tuple)
        assert both[0][1] == both[1][1]  # one commit
