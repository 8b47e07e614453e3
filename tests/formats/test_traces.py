"""Traces: OTLP spans of several conventions, and the OpenAI Agents SDK's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nhictl import formats
from nhictl.formats import Imported
from tests.formats.logs import calls, check, lines, read, told

TRACE = "0af7651916cd43dd8448eb211c80319c"
NS = 1_772_359_200_000_000_000  # 2026-03-01T10:00:00Z


def value(given: Any) -> dict[str, Any]:
    kinds: list[tuple[type, str]] = [
        (bool, "boolValue"),
        (str, "stringValue"),
        (int, "intValue"),
        (float, "doubleValue"),
    ]
    kind = next(name for of, name in kinds if isinstance(given, of))
    return {kind: str(given) if kind == "intValue" else given}


def span(
    identity: str, parent: str | None = None, at: int = 0, /, status: int = 0, **attributes: Any
) -> dict[str, Any]:
    return {
        "traceId": TRACE, "spanId": identity, "name": "n", "kind": 1, **({"parentSpanId": parent} if parent else {}),
        "startTimeUnixNano": str(NS + at), "endTimeUnixNano": str(NS + at + 5), "status": {"code": status} if status else {},
        "attributes": [{"key": k.replace("__", "."), "value": value(v)} for k, v in attributes.items()],
    }  # fmt: skip


def batch(*spans: Any, service: str = "svc") -> dict[str, Any]:
    attributes = [{"key": "service.name", "value": {"stringValue": service}}]
    return {"resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [{"spans": list(spans)}]}]}


def otlp(*texts: Any) -> Imported:
    made = formats.read("otlp", lines(*texts), run="RUN", file="log.jsonl")
    check(made)
    return made


TOOL: dict[str, Any] = {
    "gen_ai__operation__name": "execute_tool",
    "gen_ai__tool__name": "get_weather",
    "gen_ai__tool__call__id": "c1",
}
SPANS: dict[str, tuple[list[Any], list[tuple[Any, ...]]]] = {
    "a tool": (
        [span("a", None, 0, gen_ai__tool__call__arguments='{"n": 1.0}', gen_ai__tool__call__result="x", **TOOL)],
        [("get_weather", {"n": 1.0}, "c1", "ok", "x")],
    ),
    "failed by status": ([span("a", None, 0, 2, **TOOL)], [("get_weather", None, "c1", "error", None)]),
    "failed by type": ([span("a", error__type="timeout", **TOOL)], [("get_weather", None, "c1", "error", None)]),
    "not ended": ([{**span("a", **TOOL), "endTimeUnixNano": "0"}], [("get_weather", None, "c1", "unknown", None)]),
    "named by the span alone": (
        [span("a", gen_ai__operation__name="execute_tool")],
        [("n", None, None, "ok", None)],
    ),
    "by MCP's convention": (
        [span("a", mcp__method__name="tools/call", gen_ai__tool__name="t", gen_ai__tool__call__arguments="text")],
        [("t", "text", None, "ok", None)],
    ),
    "listing tools is no call": ([span("a", mcp__method__name="tools/list")], []),
    "by OpenInference": (
        [span("a", openinference__span__kind="TOOL", tool__name="t", input__value='{"q": 1}', output__value="y")],
        [("t", {"q": 1}, None, "ok", "y")],
    ),
    "by OpenLLMetry": (
        [span("a", traceloop__span__kind="tool", traceloop__entity__name="t", traceloop__entity__input='{"q": 1}')],
        [("t", {"q": 1}, None, "ok", None)],
    ),
    "a model's answer is no call": ([span("a", gen_ai__operation__name="chat", gen_ai__tool__name="t")], []),
    "client inside tool: one call, child first": (
        [
            span(
                "b",
                "a",
                1,
                mcp__method__name="tools/call",
                gen_ai__tool__name="get_weather",
                gen_ai__tool__call__arguments='{"n":1}',
            ),
            span("a", None, 0, **TOOL),
        ],
        [("get_weather", {"n": 1}, "c1", "ok", None)],
    ),
    "client inside tool: one call, parent first": (
        [
            span("a", None, 0, **TOOL),
            span("b", "a", 1, mcp__method__name="tools/call", gen_ai__tool__name="get_weather"),
        ],
        [("get_weather", None, "c1", "ok", None)],
    ),
    "another tool inside is another call": (
        [span("a", None, 0, **TOOL), span("b", "a", 1, gen_ai__operation__name="execute_tool", gen_ai__tool__name="u")],
        [("get_weather", None, "c1", "ok", None), ("u", None, None, "ok", None)],
    ),
    "written as they end, told as they began": (
        [
            span("b", None, 9, gen_ai__operation__name="execute_tool", gen_ai__tool__name="second"),
            span("a", None, 3, gen_ai__operation__name="execute_tool", gen_ai__tool__name="first"),
        ],
        [("first", None, None, "ok", None), ("second", None, None, "ok", None)],
    ),
}


@pytest.mark.parametrize("name", SPANS)
@pytest.mark.parametrize("shape", ["document", "lines"])
def test_spans(name: str, shape: str) -> None:
    spans, expected = SPANS[name]
    texts = [batch(*spans)] if shape == "document" else [batch(one) for one in spans]
    made = otlp(*texts)
    assert told(made) == expected
    assert (made.parsed, made.opaque, made.failed) == (len(spans), 0, 0)
    assert formats.sniff(lines(*texts)) == "otlp"


def test_agents_come_from_above_and_else_from_the_service() -> None:
    made = otlp(batch(
        span("t", "c", 2, user__id="alice", session__id="s1", **TOOL), span("c", "i", 1, gen_ai__operation__name="chat"),
        span("i", None, 0, gen_ai__operation__name="invoke_agent", gen_ai__agent__name="planner"),
        span("o", "gone", 3, gen_ai__operation__name="execute_tool", gen_ai__tool__name="u"),
    ))  # fmt: skip
    by_span = {event.span: event for event in made.events}
    assert {name: event.agent for name, event in by_span.items()} == {
        "t": "planner",
        "c": "planner",
        "i": "planner",
        "o": "svc",
    }
    call = by_span["t"]
    assert (call.run, call.trace, call.principal, call.task) == (TRACE, TRACE, "alice", "s1")
    assert (call.time, call.ended) == ("2026-03-01T10:00:00.000000002Z", "2026-03-01T10:00:00.000000007Z")
    assert by_span["o"].parent == "gone"


def test_broken_and_foreign_parts_of_otlp() -> None:
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "x"}}, {}]}]}]}
    made = otlp(batch(span("a", **TOOL), 7, {"spanId": "x"}), logs, b"{")
    assert (made.parsed, made.opaque, made.failed) == (1, 2, 3)
    bad = batch(span("a", **TOOL))
    bad["resourceSpans"][0]["scopeSpans"] = "none"
    assert otlp(bad).events == []


def test_attribute_values_keep_their_types() -> None:
    given = [
        {"key": "i", "value": {"intValue": "9007199254740993"}}, {"key": "d", "value": {"doubleValue": 1.0}},
        {"key": "l", "value": {"arrayValue": {"values": [{"boolValue": True}, {"stringValue": "x"}]}}},
        {"key": "m", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"intValue": 2}}]}}},
    ]  # fmt: skip
    one = span("a", gen_ai__operation__name="execute_tool")
    one["attributes"] += given
    (call,) = calls(otlp(batch(one)))
    assert call.ext is not None
    kept = {k: v for k, v in call.ext["attributes"].items() if len(k) == 1}
    assert kept == {"i": 9007199254740993, "d": 1.0, "l": [True, "x"], "m": {"k": 2}}


def agents_span(
    identity: str, data: dict[str, Any], parent: str | None = None, at: int = 0, **more: Any
) -> dict[str, Any]:
    return {"object": "trace.span", "id": identity, "trace_id": "trace_1", "parent_id": parent, "span_data": data,
            "started_at": f"2026-03-01T10:00:0{at}.000000+00:00", "ended_at": f"2026-03-01T10:00:0{at}.500000+00:00",
            "error": None, **more}  # fmt: skip


START = {"object": "trace", "id": "trace_1", "workflow_name": "triage", "group_id": "thread-9", "metadata": None}
FUNCTION = {"type": "function", "name": "look", "input": '{"q": "x", "n": 1}', "output": "y", "mcp_data": None}
AGENT = {"type": "agent", "name": "helper", "handoffs": [], "tools": ["look"], "output_type": "str"}


@pytest.mark.parametrize("shape", ["lines", "list", "batch", "batches"])
def test_agents_sdk(shape: str) -> None:
    items = [
        START,
        agents_span("s2", FUNCTION, "s1", 1),
        agents_span("s3", {"type": "response"}, "s1", 0),
        agents_span("s1", AGENT),
    ]
    shapes: dict[str, list[Any]] = {
        "lines": items,
        "list": [items],
        "batch": [{"data": items}],
        "batches": [{"data": items[:2]}, {"data": items[2:]}],
    }
    data = lines(*shapes[shape])
    assert formats.sniff(data) == "openai-agents"
    made = formats.read("openai-agents", data, run="RUN", file="f")
    check(made)
    assert (made.parsed, made.opaque, made.failed) == (4, 0, 0)
    (call,) = calls(made)
    assert told(made) == [("look", {"q": "x", "n": 1}, None, "ok", "y")]
    assert (call.agent, call.task, call.intent, call.run, call.trace) == (
        "helper",
        "thread-9",
        "triage",
        "trace_1",
        "trace_1",
    )
    assert (call.span, call.parent, call.time) == ("s2", "s1", "2026-03-01T10:00:01.000000Z")


def test_agents_sdk_errors_handoffs_and_the_rest() -> None:
    failed = agents_span("s2", {**FUNCTION, "output": None}, "s1", 1, error={"message": "boom", "data": {}})
    running = agents_span("s4", {**FUNCTION, "output": None}, "s1", 2, ended_at=None)
    handoff = agents_span("s5", {"type": "handoff", "from_agent": "helper", "to_agent": "boss"}, "s1", 3)
    made = read(
        "openai-agents",
        failed,
        running,
        handoff,
        agents_span("s6", {"type": "new"}),
        {"object": "trace.span"},
        {"x": 1},
    )
    assert [row[3] for row in told(made)] == ["error", "unknown"]
    assert calls(made)[0].error == {"message": "boom", "data": {}}
    assert (made.parsed, made.opaque, made.failed) == (3, 2, 1)
    (handed,) = [event for event in made.events if event.type == "span.handoff"]
    assert handed.ext is not None
    assert handed.ext["span_data"]["to_agent"] == "boss"


def test_two_conventions_in_one_text_are_not_mixed_up() -> None:
    text = json.dumps(batch(span("a", **TOOL))).encode()
    assert formats.sniff(text) == "otlp"
    assert formats.sniff(lines(START)) == "openai-agents"
    assert formats.sniff(b'{"data": [{"object": "list"}]}') is None
