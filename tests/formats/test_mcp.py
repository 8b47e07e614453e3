"""MCP traffic: requests and responses by id, both directions, wrappers, batches."""

from __future__ import annotations

from typing import Any

import pytest

from tests.formats.logs import calls, read, told

LOOK = {"name": "look", "arguments": {"n": 1.0}}


def request(identity: Any, method: str = "tools/call", params: Any = LOOK) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}


def answer(identity: Any, result: Any = None, **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity, **(more or {"result": result})}


GOOD = {"content": [{"type": "text", "text": "x"}]}
BAD = {"content": [], "isError": True}
ERROR = {"code": -32602, "message": "unknown tool"}
CASES: dict[str, tuple[list[Any], list[tuple[Any, ...]]]] = {
    "a call": ([request(1), answer(1, GOOD)], [("look", {"n": 1.0}, 1, "ok", GOOD)]),
    "ids keep their type": (
        [request("1"), request(1), answer(1, GOOD), answer("1", BAD)],
        [("look", {"n": 1.0}, "1", "error", BAD), ("look", {"n": 1.0}, 1, "ok", GOOD)],
    ),
    "an error": ([request(1), answer(1, error=ERROR)], [("look", {"n": 1.0}, 1, "error", None)]),
    "no answer": ([request(1)], [("look", {"n": 1.0}, 1, "unknown", None)]),
    "no arguments": ([request(1, params={"name": "look"}), answer(1, GOOD)], [("look", None, 1, "ok", GOOD)]),
    "answers out of order": (
        [request(1), request(2), answer(2, BAD), answer(1, GOOD)],
        [("look", {"n": 1.0}, 1, "ok", GOOD), ("look", {"n": 1.0}, 2, "error", BAD)],
    ),
    "both sides count from 1": (
        [request(1), request(1, "sampling/createMessage", {}), answer(1, {"role": "assistant"}), answer(1, GOOD)],
        [("look", {"n": 1.0}, 1, "ok", GOOD)],
    ),
    "directions are told": (
        [
            {"dir": "out", "message": request(1)},
            {"dir": "in", "message": request(1, "ping", {})},
            {"dir": "out", "message": answer(1, {})},
            {"dir": "in", "message": answer(1, error=ERROR)},
        ],
        [("look", {"n": 1.0}, 1, "error", None)],
    ),
    "a batch": (
        [[request(1), request(2)], [answer(2, GOOD), answer(1, GOOD)]],
        [("look", {"n": 1.0}, 1, "ok", GOOD), ("look", {"n": 1.0}, 2, "ok", GOOD)],
    ),
    "listing is no call": ([request(1, "tools/list", {}), answer(1, {"tools": []})], []),
}


@pytest.mark.parametrize("name", CASES)
def test_calls(name: str) -> None:
    records, expected = CASES[name]
    made = read("mcp", *records)
    assert told(made) == expected
    assert (made.opaque, made.failed, made.problems) == (0, 0, [])


def test_who_and_when() -> None:
    hello = {"clientInfo": {"name": "desk", "version": "1"}, "capabilities": {}}
    made = read(
        "mcp", request(0, "initialize", hello), answer(0, {"serverInfo": {"name": "files"}}),
        {"ts": "2026-03-01T10:00:00Z", "direction": "client", "message": request(1, params={**LOOK, "_meta": {
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "nhictl.jti": "j1"}})},
        {"ts": 1772359201500, "direction": "server", "message": answer(1, GOOD)},
    )  # fmt: skip
    (call,) = calls(made)
    assert (call.agent, call.time, call.ended) == ("desk", "2026-03-01T10:00:00Z", "2026-03-01T10:00:01.500000Z")
    assert (call.trace, call.jti) == ("0af7651916cd43dd8448eb211c80319c", "j1")
    assert call.ext is not None
    assert (call.ext["server"], call.ext["direction"]) == ("files", "client")


def test_a_cancelled_call_stays_unknown_and_says_so() -> None:
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1, "reason": "late"}}
    (call,) = calls(read("mcp", request(1), cancel))
    assert (call.outcome, call.ext) == ("unknown", {"cancelled": "late"})


@pytest.mark.parametrize(
    ("record", "kind"),
    [({"jsonrpc": "2.0", "id": 1}, "failed"), ({"jsonrpc": "2.0", "method": 5}, "failed"), ([1], "failed"),
     ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {}}, "failed"), ({"jsonrpc": "1.0"}, "opaque"),
     ({"hello": 1}, "opaque"), ("text", "failed")],
)  # fmt: skip
def test_what_cannot_be_read_is_kept(record: Any, kind: str) -> None:
    made = read("mcp", request(1), record)
    assert made.events[-1].type == kind
    assert len(calls(made)) == 1


def test_a_response_to_nothing() -> None:
    made = read("mcp", answer(7, GOOD), answer(8, {}))
    assert [(event.type, event.call) for event in made.events] == [("tool.returned", 7), ("rpc.response", 8)]
    assert made.problems == ["log.jsonl: a response that no request fits: record 1, record 2"]
