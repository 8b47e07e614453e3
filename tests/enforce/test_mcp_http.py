"""The MCP guard over streamable HTTP, before a server that misbehaves and behind clients that do."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.policy.tool_digest import tool_digest
from nhictl.enforce.mcp import gate, gateway, peer, service, sse
from nhictl.enforce.mcp.channels import Channels
from nhictl.enforce.mcp.gateway import Gateway
from nhictl.enforce.mcp.upstream import Upstream
from nhictl.errors import InputError
from nhictl.ops.house import House as RealHouse
from nhictl.ops.init import initialise
from tests.enforce.mcp_http_server import GOOD, Server, event
from tests.enforce.test_mcp_session import House, call

SESSION = {"Mcp-Session-Id": "s-1"}
DIGEST = tool_digest("good", "reads", {"type": "object"})


class Stage:
    def __init__(self, url: str | None = None) -> None:
        self.server = Server()
        self.house = House()
        self.notes: list[str] = []
        self.authorization: str | None = None
        self.connections: list[http.client.HTTPConnection] = []
        upstream = Upstream(url or self.server.url, lambda: self.authorization)
        self.channels = Channels(upstream, self.house, (), self.notes.append, errors=False)
        self.gateway = Gateway(("127.0.0.1", 0), self.channels)
        for one in (self.server, self.gateway):
            threading.Thread(target=one.serve_forever, args=(0.02,), daemon=True).start()

    def send(self, method: str, body: Any = None, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=20)
        self.connections.append(connection)
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        named = {"Content-Type": "application/json"} if data is not None else {}
        connection.request(method, "/mcp", data, {**named, **{n.replace("_", "-"): v for n, v in headers.items()}})
        return connection.getresponse()

    def ask(self, body: Any, **headers: str) -> tuple[int, list[Any]]:
        """The status, and the messages that came with it."""
        answer = self.send("POST", body, **headers)
        try:
            data = answer.read()
        except http.client.IncompleteRead as e:  # passed on as it was: broken off
            data = e.partial
        if answer.headers.get_content_type() != "text/event-stream":
            return answer.status, [json.loads(data)] if data else []
        return answer.status, [json.loads(one.data) for one in sse.Reader().add(data) if one.data]

    def told(self) -> list[tuple[str, str | None]]:
        return [(outcome, error) for _, outcome, _, error in self.house.told]

    def until(self, true: Callable[[], bool]) -> None:
        for _ in range(500):
            if true():
                return
            time.sleep(0.01)
        raise AssertionError("it did not come to pass")

    def close(self) -> None:
        for connection in self.connections:
            connection.close()
        for one in (self.gateway, self.server):
            one.shutdown()
            one.server_close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.close()


def test_answers_pass_as_json_and_as_events_and_are_settled(stage: Stage) -> None:
    note = {"jsonrpc": "2.0", "method": "notifications/x"}
    done = {"jsonrpc": "2.0", "id": 1, "result": {"content": []}}
    assert stage.ask(call(do="json")) == (200, [done])
    assert stage.ask(call(do="sse")) == (200, [note, done])
    assert stage.ask(call(do="sse-crlf")) == (200, [done])
    assert stage.ask(call(do="sse-odd")) == (200, [done])
    assert stage.ask(note) == (202, [])
    assert stage.told() == [("ok", None)] * 4
    assert len(stage.notes) == 2  # what was no message, and what answered nothing


def test_a_large_answer_passes_whole(stage: Stage) -> None:
    status, (answer,) = stage.ask(call("good", 1, do="large"))
    assert (status, len(answer["result"]["x"]), stage.told()) == (200, 50_000_000, [("ok", None)])


def test_a_denied_call_never_reaches_the_server(stage: Stage) -> None:
    status, (said,) = stage.ask(call("bad"))
    assert (status, said["result"]["isError"]) == (200, True)
    assert stage.server.seen == []
    status, (said,) = stage.ask([call("bad", 1), call("good", 2, do="batch"), call("bad", 3)])
    assert (status, [one["id"] for one in said]) == (200, [1, 3, 2])
    assert stage.ask(b"{")[0] == 400
    assert stage.ask({"jsonrpc": "2.0", "id": 1, "method": "x/y"})[1][0]["error"]["code"] == -32601


@pytest.mark.parametrize(
    ("do", "status"),
    [
        ("other", 502), ("garbage", 502), ("accepted", 202), ("cut", 502), ("drop", 502), ("gzip", 502), ("redirect", 502),
        ("denied", 502), ("gone", 404), ("broken", 500), ("sse-open", 200), ("sse-cut", 200),
    ],
)  # fmt: skip
def test_what_came_of_a_call_that_is_not_answered_is_settled_as_unknown(stage: Stage, do: str, status: int) -> None:
    assert stage.ask(call(do=do))[0] == status
    stage.until(lambda: [outcome for outcome, _ in stage.told()] == ["unknown"])
    assert stage.ask(call(do="json"))[0] == 200  # and nothing of it stays


def test_an_error_of_the_protocol_passes_with_its_status(stage: Stage) -> None:
    assert stage.ask(call(do="error")) == (400, [{"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "no"}}])
    assert stage.told() == [("error", "no")]


def test_a_call_that_reached_nobody_was_not_made() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        stage = Stage(f"http://127.0.0.1:{nobody.getsockname()[1]}/mcp")
        made: list[bool] = []
        stage.house.settle = lambda *_, made=True, told=made: told.append(made)  # type: ignore[method-assign]
        assert stage.ask(call())[0] == 502
        assert made == [False]
        stage.close()


def test_what_cannot_be_recorded_is_neither_made_nor_handed_on(stage: Stage) -> None:
    stage.house.broken = True
    _, (said,) = stage.ask(call())
    assert said["result"]["_meta"]["nhictl/reason"] == "unavailable"
    assert stage.server.seen == []


def test_only_the_operators_authorization_and_the_sessions_headers_reach_the_server(stage: Stage) -> None:
    stage.authorization = "Bearer upstream"
    answer = stage.send(
        "POST", {"jsonrpc": "2.0", "id": 1, "method": "initialize"}, Authorization="Bearer client", Cookie="c"
    )
    assert answer.headers["Mcp-Session-Id"] == "s-1"
    stage.ask(call(), **SESSION, MCP_Protocol_Version="2025-06-18", X_Forwarded_For="1.2.3.4")
    (_, _, first), (_, _, second) = stage.server.seen
    assert first["authorization"] == second["authorization"] == "Bearer upstream"
    assert (second["mcp-session-id"], second["mcp-protocol-version"]) == ("s-1", "2025-06-18")
    assert not {"cookie", "x-forwarded-for"} & (first.keys() | second.keys())


def test_a_client_that_leaves_does_not_keep_its_call_from_being_recorded(stage: Stage) -> None:
    answer = stage.send("POST", call(do="hold"))
    assert answer.status == 200
    answer.close()
    stage.connections[-1].close()
    stage.server.left.set()
    stage.until(lambda: stage.told() == [("ok", None)])


def test_an_answer_that_comes_another_way_is_the_calls_and_may_come_twice(stage: Stage) -> None:
    assert stage.ask(call(do="sse-open"), **SESSION)[1][0]["method"] == "notifications/x"
    assert stage.told() == []  # the stream had ids: the client may ask for the rest
    done = {"jsonrpc": "2.0", "id": 1, "result": {"content": []}}
    stage.server.push = [event(done, "2"), event({**done, "id": 2}, "3")]
    for _ in range(2):
        data = stage.send("GET", Last_Event_ID="1", **SESSION).read()
        assert data == b"id: 2\ndata: " + json.dumps(done).encode() + b"\n\n"
    assert stage.told() == [("ok", None)]
    assert stage.server.seen[-1][2]["last-event-id"] == "1"
    other = {**done, "result": {"content": ["another"]}}
    stage.server.push = [event(other)]
    assert stage.send("GET", **SESSION).read() == b""  # an answer is not answered anew


@pytest.mark.parametrize("how", ["delete", "gone", "end"])
def test_a_session_that_ends_settles_what_is_open(stage: Stage, how: str) -> None:
    stage.ask(call(do="sse-open"), **SESSION)
    if how == "delete":
        assert stage.send("DELETE", **SESSION).status == 200
    elif how == "gone":
        stage.ask(call("good", 2, do="gone"), **SESSION)
    else:
        stage.channels.end()
    stage.until(lambda: {outcome for outcome, _ in stage.told()} == {"unknown"})


@pytest.mark.parametrize("named", [SESSION, {}], ids=["session", "request"])
def test_the_end_settles_what_is_under_way_and_begins_nothing(stage: Stage, named: dict[str, str]) -> None:
    thread = threading.Thread(target=stage.ask, args=(call("good", 1, do="hold"),), kwargs=named)
    thread.start()
    stage.until(lambda: len(stage.server.seen) == 1)
    stage.channels.end()
    assert stage.told() == [("unknown", "the guard was told to end")]
    assert stage.ask(call("good", 2), **named)[0] == 503
    stage.server.left.set()
    thread.join(20)
    assert len(stage.house.told) == len(stage.house.asked) == len(stage.server.seen) == 1


def test_a_tool_that_changed_is_seen_before_it_is_called(stage: Stage) -> None:
    stage.house.pins["good"] = DIGEST
    assert "isError" not in stage.ask(call(), **SESSION)[1][0]["result"]
    stage.server.tools = [{**GOOD, "description": "reads, and more"}]
    assert "isError" not in stage.ask(call("good", 2), **SESSION)[1][0]["result"]  # nobody said that it changed
    stage.server.push = [event({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})]
    assert b"list_changed" in stage.send("GET", **SESSION).read()
    assert stage.ask(call("good", 3), **SESSION)[1][0]["result"]["isError"] is True
    assert [body["id"] for body in stage.server.calls()] == [1, 2]
    listed = stage.ask({"jsonrpc": "2.0", "id": 4, "method": "tools/list"}, **SESSION)[1][0]
    assert listed["result"]["tools"] == []


def test_requests_that_come_to_nothing_harm_no_other(stage: Stage) -> None:
    slow = socket.create_connection(("127.0.0.1", stage.gateway.port))
    slow.sendall(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le")
    for text in (
        b"\x00\xff\r\n\r\n",
        b"GET " + b"x" * 70000,
        b"POST /mcp HTTP/1.1\r\n\r\n",
        b"GET /mcp HTTP/1.0\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", stage.gateway.port)) as odd:
            odd.sendall(text)
            odd.recv(1) if len(text) < 100 else None
    host = f"127.0.0.1:{stage.gateway.port}"
    head = f"POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: "
    for length, status in (("9" * 12, b"413"), ("-1", b"400"), ("1e3", b"400"), ("5\r\nContent-Length: 6", b"411"),
                           ("5\r\nTransfer-Encoding: chunked", b"411")):  # fmt: skip
        with socket.create_connection(("127.0.0.1", stage.gateway.port)) as odd:
            odd.sendall(f"{head}{length}\r\n\r\nhello".encode())
            assert odd.recv(12).split()[1] == status, length
    assert stage.ask(call())[0] == 200
    slow.close()


def _headers(**named: str | list[str]) -> Message:
    made = Message()
    usual = {"Host": "127.0.0.1:80", "Content_Type": "application/json", "Content_Length": "2"}
    for name, values in (usual | named).items():
        for value in [values] if isinstance(values, str) else values:
            made[name.replace("_", "-")] = value
    return made


@pytest.mark.parametrize(
    ("status", "named"),
    [
        (None, {}), (None, {"Host": "localhost:80"}), (None, {"Host": "[::1]:80"}), (None, {"Origin": "http://localhost:80"}),
        (None, {"Content_Type": "application/json; charset=utf-8"}), (403, {"Host": "evil.example:80"}), (403, {"Host": []}),
        (403, {"Host": "127.0.0.1:81"}), (403, {"Host": "127.0.0.1"}), (403, {"Host": ["127.0.0.1:80", "evil:80"]}),
        (403, {"Host": "evil@127.0.0.1:80"}), (403, {"Host": "127.0.0.1.evil:80"}), (403, {"Host": "127.0.0.1:x"}),
        (403, {"Origin": "null"}), (403, {"Origin": "http://evil.example"}), (403, {"Origin": "http://localhost:3000"}),
        (403, {"Origin": "https://localhost:80"}), (403, {"Origin": ""}), (403, {"Origin": ["http://localhost:80", "null"]}),
        (415, {"Content_Type": "text/plain"}), (415, {"Content_Type": []}), (415, {"Content_Encoding": "gzip"}),
        (411, {"Content_Length": []}), (411, {"Content_Length": ["2", "3"]}), (411, {"Transfer_Encoding": "chunked"}),
        (400, {"Mcp_Session_Id": "a b"}), (400, {"Mcp_Session_Id": ["a", "b"]}), (400, {"Last_Event_ID": "x" * 257}),
    ],
)  # fmt: skip
def test_what_is_taken_in(status: int | None, named: dict[str, Any]) -> None:
    found = gate.refused("POST", "/mcp", _headers(**named), 80)
    assert (found.status if found else None) == status


def test_a_port_of_this_machine_is_for_its_user_alone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for uid in (None, 4242):
        monkeypatch.setattr(gateway, "uid_of", lambda _, uid=uid: uid)
        with pytest.raises((OSError, http.client.HTTPException)):
            stage.send("POST", call())
    assert stage.house.asked == []


def test_who_is_at_the_other_end() -> None:
    import os

    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as listening:
            try:
                listening.bind((host, 0))
            except OSError:
                continue  # no such address on this machine
            listening.listen()
            theirs = socket.create_connection((host, listening.getsockname()[1]))
            ours, _ = listening.accept()
            assert peer.uid_of(ours) == os.geteuid()
            theirs.close()
            assert peer.uid_of(ours) is None  # nobody's any more: it would show as root's
            ours.close()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x/mcp", "http://evil.example/mcp", "http://u:p@127.0.0.1/mcp", "https:///mcp", "https://x/mcp#f", "https://x:99999/",
        "x", "https://x/\r\nA: b", "https://[x/",
    ],
)  # fmt: skip
def test_what_is_no_server(url: str) -> None:
    with pytest.raises(InputError):
        Upstream(url, lambda: None)


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:1", "10.0.0.1:1", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536", ":1", "[::]:1"]
)
def test_nothing_listens_beyond_this_machine(listen: str) -> None:
    with pytest.raises(InputError):
        service.serve(None, None, "https://x/", listen, None, (), print, print, errors=False)  # type: ignore[arg-type]


def test_as_a_process_with_a_home(tmp_path: Path) -> None:
    import os
    import signal
    import subprocess
    import sys

    from nhictl.ops.audit_log import verify_home
    from tests.enforce.test_mcp_relay import Stage as Home
    from tests.harness import ROOT, SETTINGS

    house = RealHouse(tmp_path / "home", tmp_path / "home" / "nhictl.db")
    initialise(house, "example.org", None)
    home, server = Home(house), Server()
    house.close()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    (tmp_path / "secret").write_text("Bearer for-the-server\n")
    (tmp_path / "secret").chmod(0o600)
    env = {name: value for name, value in os.environ.items() if name not in SETTINGS} | {"PYTHONPATH": str(ROOT)}
    words = [
        "--url",
        server.url,
        "--task",
        home.task,
        "--prefix",
        "s.",
        "--authorization-file",
        str(tmp_path / "secret"),
    ]
    argv = [sys.executable, "-m", "nhictl", "guard", "mcp", *words, "--home", str(tmp_path / "home")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as guard:
        assert guard.stdout is not None
        port = int(guard.stdout.readline().decode().rpartition(":")[2].partition("/")[0])
        answers = []
        for do in ("json", "evil", "sse-open"):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            body = json.dumps(call("act", 1 if do != "sse-open" else 2, do=do)).encode()
            connection.request("POST", "/mcp", body, {"Content-Type": "application/json", **SESSION})
            answers.append(connection.getresponse().read())
            connection.close()
        guard.send_signal(signal.SIGTERM)
        assert guard.wait(30) == 0
        assert b"for-the-server" not in (guard.stderr.read() if guard.stderr else b"")
    server.shutdown()
    server.server_close()
    assert b'"isError"' in answers[1]
    assert {headers["authorization"] for _, _, headers in server.seen} == {"Bearer for-the-server"}
    ok, denied, ended = ("tool.called", "ok"), ("tool.called", "deny"), ("tool.returned", "error")
    assert home.log() == [ok, ("tool.returned", "ok"), denied, ok, ended]  # what was open at the end is settled by it
    assert verify_home(house, ()).exit == 0
    house.close()


_LINES = st.sampled_from(
    [b"data: a", b"data:b", b"data", b"id: 1", b"event: message", b": c", b"retry: 5", b"x: y", b""]
)
_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(st.lists(st.tuples(_LINES, _ENDS), max_size=12), st.integers(1, 7))
@settings(max_examples=150, deadline=None)
def test_events_are_the_same_however_they_come(lines: list[tuple[bytes, bytes]], size: int) -> None:
    text = b"".join(part + end for part, end in lines)
    whole = sse.Reader().add(text)
    reader = sse.Reader()
    assert [one for at in range(0, len(text), size) for one in reader.add(text[at : at + size])] == whole
    for one in whole:
        assert sse.Reader().add(sse.dump(one)) == [one._replace(retry=one.retry)]
