"""What the MCP guard passes, answers and settles, message by message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.enforce.mcp import message as rpc
from nhictl.enforce.mcp.authority import Authority
from nhictl.enforce.mcp.session import Session
from nhictl.errors import UnavailableError
from nhictl.ops.guard_call import Answer


class House(Authority):
    """Allows `good*`, denies everything else; remembers what it was asked and told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.told: list[tuple[int, str, Any, str | None]] = []
        self.broken = False
        self.pins: dict[str, str] = {}
        self.digests: list[str] = []

    def begin(self, tool: str, args: dict[str, Any], ident: str, digest: str) -> Answer:
        if self.broken:
            raise UnavailableError("the disk is full")
        self.asked.append((tool, args))
        self.digests.append(digest)
        allowed = tool.startswith("good") and self.pins.get(tool, digest) == digest
        seq = len(self.asked)
        return Answer(allowed, "permitted" if allowed else "forbidden", 20, "", None, seq, None, ident, {}, 1)

    def settle(self, answer: Answer, outcome: str, result: Any, error: str | None, *, made: bool = True) -> None:
        if self.broken:
            raise UnavailableError("the disk is full")
        self.told.append((answer.seq, outcome, result, error))

    def pinned(self, tool: str) -> bool:
        return tool in self.pins

    def usable(self, tools: Mapping[str, str]) -> frozenset[str]:
        if self.broken:
            raise UnavailableError("the disk is full")
        return frozenset(
            t for t, digest in tools.items() if t.startswith("good") and self.pins.get(t, digest) == digest
        )


class Stage:
    def __init__(self, *passed: str, errors: bool = False) -> None:
        self.house = House()
        self.notes: list[str] = []
        self.session = Session(self.house, passed, self.notes.append, errors=errors)

    def client(self, value: Any) -> tuple[Any, bytes]:
        """What the client is told (JSON, None for nothing) and the very bytes that the server gets."""
        back, forth = self.session.from_client(value if isinstance(value, bytes) else line(value))
        return json.loads(back) if back else None, forth

    def server(self, value: Any) -> bytes:
        back, forth = self.session.from_server(value if isinstance(value, bytes) else line(value))
        assert forth == b""
        return back


@pytest.fixture
def stage() -> Stage:
    return Stage()


def line(value: Any) -> bytes:
    return json.dumps(value).encode()


def call(tool: str = "good", ident: Any = 1, **args: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": ident, "method": "tools/call", "params": {"name": tool, "arguments": args}}


def result(ident: Any = 1, **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": ident, "result": {"content": [], **more}}


def test_an_allowed_call_and_its_answer_pass_with_their_very_bytes(stage: Stage) -> None:
    asked = (
        b' {"id":1, "jsonrpc":"2.0","params":{"arguments":{"x":1.0},"name":"good",'
        b'"_meta":{"progressToken":7}},"method":"tools\\/call"} '
    )
    assert stage.client(asked) == (None, asked + b"\n")
    assert stage.house.asked == [("good", {"x": 1.0})]
    said = b'{"result":{"content":[],"unknown":{"kept":true}},"jsonrpc":"2.0","id":1}\r'
    assert stage.server(said) == said + b"\n"
    assert stage.house.told == [(1, "ok", {"content": [], "unknown": {"kept": True}}, None)]


@pytest.mark.parametrize(
    ("answer", "outcome", "error"),
    [
        (result(), "ok", None), (result(isError=True), "error", None), (result(isError="true"), "ok", None),
        ({"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "no"}}, "error", "no"),
        ({"jsonrpc": "2.0", "id": 1, "error": "no"}, "error", None),
        ({"jsonrpc": "2.0", "id": 1, "result": None}, "ok", None),
    ],
)  # fmt: skip
def test_how_a_call_ended_is_recorded(stage: Stage, answer: dict[str, Any], outcome: str, error: str | None) -> None:
    stage.client(call())
    assert json.loads(stage.server(answer)) == answer
    assert [(told[1], told[3]) for told in stage.house.told] == [(outcome, error)]


def test_a_denied_call_never_reaches_the_server(stage: Stage) -> None:
    said, forth = stage.client(call("bad", "a", x=1))
    assert forth == b""
    assert said["id"] == "a"
    assert said["result"]["isError"] is True
    assert said["result"]["_meta"] == {"nhictl/reason": "forbidden", "nhictl/record": 1}
    assert "forbidden" in said["result"]["content"][0]["text"]
    said, forth = Stage(errors=True).client(call("bad"))
    assert (said["error"]["code"], said["error"]["data"]["nhictl/reason"], forth) == (
        rpc.INVALID_PARAMS,
        "forbidden",
        b"",
    )


@pytest.mark.parametrize(
    ("params", "reached"),
    [
        ({"name": "good"}, True), ({"name": "good", "arguments": {}}, True), ({"name": "good", "arguments": None}, False),
        ({"name": "good", "arguments": []}, False), ({"name": 5, "arguments": {}}, False), ({"arguments": {}}, False),
        (["good"], False), (None, False),
    ],
)  # fmt: skip
def test_a_call_is_a_name_and_an_object(stage: Stage, params: Any, reached: bool) -> None:
    said, forth = stage.client({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    assert bool(forth) is reached
    assert (said is None) is reached
    assert len(stage.house.asked) == reached


def test_a_call_that_could_not_be_settled_is_not_made(stage: Stage) -> None:
    ask = call()
    del ask["id"]
    assert stage.client(ask) == (None, b"")
    assert stage.notes
    said, forth = stage.client({**call(), "id": None})
    assert (said["error"]["code"], forth) == (rpc.INVALID_REQUEST, b"")
    assert stage.house.asked == []


def test_an_id_under_way_is_not_taken_twice(stage: Stage) -> None:
    stage.client(call(ident=1))
    for again in (call("good", 1), call("good", 1.0), {"jsonrpc": "2.0", "id": 1, "method": "ping"}):
        said, forth = stage.client(again)
        assert (said["error"]["code"], forth) == (rpc.INVALID_REQUEST, b"")
    assert stage.client(call("good", "1"))[1]  # another id
    stage.server(result(1))
    assert stage.client(call("good", 1))[1]  # answered, so free again


MALFORMED = [
    b"{", b"\xff", b"[]", b"5", b"null", b"{}", b'"x"', b"\xef\xbb\xbf" + line(call()), line([call(), 5]),
    line({**call(), "jsonrpc": "1.0"}), line({**call(), "id": True}), line({**call(), "id": {}}), line({**call(), "method": 5}),
    line(call())[:-1] + b',"method":"ping"}', line(call())[:-1] + b',"result":1}', b'{"jsonrpc":"2.0","x":NaN}',
    line({"jsonrpc": "2.0", "id": 1}), line({"jsonrpc": "2.0", "id": 1, "result": 1, "error": 2}), b"[" * 200,
]  # fmt: skip


@pytest.mark.parametrize("text", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_message_is_not_passed_either_way(stage: Stage, text: bytes) -> None:
    said, forth = stage.client(text)
    assert (said["error"]["code"] in (rpc.PARSE_ERROR, rpc.INVALID_REQUEST), said["id"], forth) == (True, None, b"")
    stage.client(call())
    assert stage.server(text) == b""
    assert stage.notes
    assert stage.house.told == []  # and the call stays open for a real answer
    assert stage.server(result())


def test_other_methods_are_refused_unless_passed(stage: Stage) -> None:
    for method in ("resources/read", "prompts/get", "completion/complete", "tools/other", "x"):
        ask = {"jsonrpc": "2.0", "id": 1, "method": method}
        said, forth = stage.client(ask)
        assert (said["error"]["code"], forth) == (rpc.METHOD_NOT_FOUND, b"")
        assert Stage("*", "*/*").client(ask) == (None, line(ask) + b"\n")
    open_ = Stage("resources/*")
    assert open_.client({"jsonrpc": "2.0", "id": 1, "method": "resources/read"})[1]
    assert not open_.client({"jsonrpc": "2.0", "id": 2, "method": "prompts/get"})[1]
    for method in ("initialize", "ping", "tools/list", "logging/setLevel"):
        assert stage.client({"jsonrpc": "2.0", "id": method, "method": method})[1]
    for method in ("notifications/initialized", "notifications/roots/list_changed"):
        assert stage.client({"jsonrpc": "2.0", "method": method})[1]
    assert stage.client({"jsonrpc": "2.0", "method": "x/y"}) == (None, b"")


def test_what_the_server_asks_and_notes_passes_and_so_do_the_answers(stage: Stage) -> None:
    for one in (
        {"jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage"}, {"jsonrpc": "2.0", "method": "notifications/progress"},
    ):  # fmt: skip
        assert stage.server(one) == line(one) + b"\n"
    assert stage.client(result(1)) == (None, line(result(1)) + b"\n")
    assert stage.house.told == []


def test_an_answer_to_nothing_is_not_passed(stage: Stage) -> None:
    assert stage.server(result(9)) == b""
    stage.client({"jsonrpc": "2.0", "id": 9, "method": "ping"})
    assert stage.server(result(9))
    assert stage.server(result(9)) == b""


def test_the_list_of_tools_holds_what_can_be_used(stage: Stage) -> None:
    stage.client({"jsonrpc": "2.0", "id": 3, "method": "tools/list"})
    tools = [{"name": "good1", "x": 1}, {"name": "bad"}, {"name": "good2"}, {"name": 5}, "odd"]
    got = json.loads(stage.server({"jsonrpc": "2.0", "id": 3, "result": {"tools": tools, "nextCursor": "n"}}))
    assert got["result"] == {"tools": [{"name": "good1", "x": 1}, {"name": "good2"}], "nextCursor": "n"}
    stage.client({"jsonrpc": "2.0", "id": 3, "method": "tools/list"})
    same = b'{"id":3,"jsonrpc":"2.0", "result":{"tools":[{"name":"good1"}]}}'
    assert stage.server(same) == same + b"\n"


def test_a_cancelled_call_is_settled_at_once_and_a_late_answer_is_nobodys(stage: Stage) -> None:
    stage.client(call(ident="a"))
    stop = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "a"}}
    assert stage.client(stop) == (None, line(stop) + b"\n")
    assert stage.house.told == [(1, "unknown", None, "cancelled by the client")]
    assert stage.server(result("a")) == b""  # else a client would get by cancelling what nobody recorded
    assert len(stage.house.told) == 1


def test_a_batch_goes_on_without_what_was_denied(stage: Stage) -> None:
    batch = [call("good", 1), {"jsonrpc": "2.0", "method": "notifications/x"}]
    assert stage.client(batch) == (None, line(batch) + b"\n")
    said, forth = stage.client([call("bad", 2), call("good", 3), call("bad", 4)])
    assert [one["id"] for one in said] == [2, 4]
    assert [one["id"] for one in json.loads(forth)] == [3]
    both = [result(1), result(3)]
    assert stage.server(both) == line(both) + b"\n"
    assert [told[0] for told in stage.house.told] == [1, 3]


def test_what_cannot_be_recorded_is_neither_made_nor_handed_on(stage: Stage) -> None:
    stage.client(call("good", 1))
    stage.house.broken = True
    said, forth = stage.client(call("good", 2))
    assert (said["result"]["isError"], said["result"]["_meta"]["nhictl/reason"], forth) == (True, "unavailable", b"")
    got = json.loads(stage.server(result(1, secret="x")))
    assert got["error"]["code"] == rpc.INTERNAL_ERROR
    assert "secret" not in json.dumps(got)
    stage.client({"jsonrpc": "2.0", "id": 5, "method": "tools/list"})
    got = json.loads(stage.server({"jsonrpc": "2.0", "id": 5, "result": {"tools": [{"name": "good"}]}}))
    assert got["result"]["tools"] == []
    assert len(stage.notes) == 3


def test_the_end_settles_what_is_open(stage: Stage) -> None:
    stage.client(call("good", 1))
    stage.client(call("good", 2))
    stage.server(result(2))
    stage.session.end("the session ended")
    assert stage.house.told[1:] == [(1, "unknown", None, "the session ended")]


def test_after_the_end_nothing_is_judged_and_nothing_passed(stage: Stage) -> None:
    stage.session.end("the session ended")
    said, forth = stage.client(call("good", 3))
    assert (said["id"], said["error"]["message"], forth) == (3, "the session is over", b"")
    assert stage.session.from_client(line({"jsonrpc": "2.0", "method": "notifications/initialized"})) == (b"", b"")
    assert stage.house.asked == []


@pytest.mark.parametrize(
    "params",
    [
        {"name": "good", "arguments": {"path": "/a"}, "ARGUMENTS": {"path": "/b"}},
        {"name": "good", "Name": "bad", "arguments": {}},
        {"name": "good", "argumentſ": {}},  # a long s, which folds to the short one
        {"name": "good", "arguments": {"path": "/a", "Path": "/b"}},
        {"name": "good", "arguments": {"list": [{"x": 1, "X": 2}]}},
        {"name": "good", "arguments": {}, "task": {"ttl": 1}},
    ],
)
def test_what_a_careless_reader_could_take_for_another_call_is_none(stage: Stage, params: dict[str, Any]) -> None:
    said, forth = stage.client({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    assert (said["error"]["code"], forth, stage.house.asked) == (rpc.INVALID_PARAMS, b"", [])
    for name in ("Method", "PARAMS", "Id"):
        ask = {"jsonrpc": "2.0", "id": 1, "method": "ping", name: "tools/call"}
        assert stage.client(ask)[1] == b""


def test_a_call_as_a_task_passes_where_its_result_may_be_asked_for() -> None:
    ask = {**call(), "params": {"name": "good", "task": {"ttl": 1}}}
    assert Stage("tasks/*").client(ask)[1]


def test_a_line_that_some_readers_take_for_two_is_none(stage: Stage) -> None:
    hidden = line(call("bad", 9))
    text = b'{"jsonrpc":"2.0","method":"notifications/x","params":{"a":\r' + hidden + b"\r}}"
    said, forth = stage.client(text)
    assert (said["error"]["code"], forth) == (rpc.PARSE_ERROR, b"")
    assert (
        stage.server(b'{"jsonrpc":"2.0","method":"notifications/x","params":{"a":\r' + line(result(1)) + b"\r}}") == b""
    )
    assert stage.client(line(call()) + b"\r")[1]  # at the end of a line it is one


_MESSAGES = st.sampled_from(
    [call("good", n) for n in (1, 2, "1")] + [call("bad", n) for n in (1, 3)]
    + [{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": n}} for n in (1, 2, "1")]
    + [{"jsonrpc": "2.0", "id": n, "method": "ping"} for n in (1, 4)]
)  # fmt: skip


@given(st.lists(st.tuples(st.booleans(), _MESSAGES, st.sampled_from([1, 2, 3, 4, "1"])), max_size=12))
@settings(max_examples=150, deadline=None)
def test_each_call_that_passed_is_settled_once_and_none_that_was_denied(steps: list[tuple[bool, Any, Any]]) -> None:
    stage = Stage()
    reached = 0
    for from_client, message, ident in steps:
        if from_client:
            _, forth = stage.client(message)
            assert b'"bad"' not in forth
            reached += b'"tools/call"' in forth
        else:
            stage.server(result(ident))
    stage.session.end("over")
    told = [one[0] for one in stage.house.told]
    assert len(told) == len(set(told)) == reached
