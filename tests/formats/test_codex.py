"""Rollouts of Codex: what was asked for and what was executed are one call, and who decides what."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.formats.logs import calls, read, told

AT = "2026-03-01T10:00:00.000Z"
META = {"timestamp": AT, "type": "session_meta", "payload": {"id": "thread-1", "cwd": "/w"}}
LS = {"command": ["bash", "-lc", "ls"], "workdir": "/w"}


def item(kind: str, **payload: Any) -> dict[str, Any]:
    return {"timestamp": AT, "type": "response_item", "payload": {"type": kind, **payload}}


def event(kind: str, **payload: Any) -> dict[str, Any]:
    return {"timestamp": AT, "type": "event_msg", "payload": {"type": kind, **payload}}


def completed(kind: str, identity: str, **more: Any) -> dict[str, Any]:
    return event("item_completed", thread_id="t", turn_id="u", item={"type": kind, "id": identity, **more})


def asked(identity: str = "c1", name: str = "shell", args: Any = LS) -> dict[str, Any]:
    return item("function_call", name=name, arguments=json.dumps(args), call_id=identity)


def output(identity: str, text: Any) -> dict[str, Any]:
    return item("function_call_output", call_id=identity, output=text)


def ran(identity: str = "c1", code: int = 0, /, command: Any = None, **more: Any) -> dict[str, Any]:
    return event("exec_command_end", call_id=identity, command=command or LS["command"], cwd="/w", stdout="out",
                 stderr="", aggregated_output="out", exit_code=code, **more)  # fmt: skip


SHELL = {"command": ["bash", "-lc", "ls"], "cwd": "/w"}
CASES: dict[str, tuple[list[Any], list[tuple[Any, ...]]]] = {
    "asked and answered": ([asked(), output("c1", "x")], [("shell", LS, "c1", "ok", "x")]),
    "asked, executed, answered": ([asked(), ran(), output("c1", "x")], [("shell", LS, "c1", "ok", "out")]),
    "executed with an error": ([asked(), output("c1", "x"), ran("c1", 2)], [("shell", LS, "c1", "error", "out")]),
    "begun, ended, and completed as an item": (
        [
            asked(),
            event("exec_command_begin", call_id="c1", command=LS["command"], cwd="/w"),
            ran(),
            completed(
                "CommandExecution",
                "c1",
                command=LS["command"],
                cwd="/w",
                status="completed",
                exit_code=0,
                aggregated_output="out",
            ),
            output("c1", "x"),
        ],
        [("shell", LS, "c1", "ok", "out")],
    ),
    "declined": ([asked(), ran("c1", -1, status="declined")], [("shell", LS, "c1", "denied", "out")]),
    "rejected by the user": (
        [asked(), output("c1", "exec command rejected by user")],
        [("shell", LS, "c1", "denied", "exec command rejected by user")],
    ),
    "exit code in the output": (
        [asked(), output("c1", json.dumps({"output": "x", "metadata": {"exit_code": 1}}))],
        [("shell", LS, "c1", "error", json.dumps({"output": "x", "metadata": {"exit_code": 1}}))],
    ),
    "exit code in a text": (
        [asked(), output("c1", "Exit code: 3\nOutput:\n")],
        [("shell", LS, "c1", "error", "Exit code: 3\nOutput:\n")],
    ),
    "success said": (
        [asked(), output("c1", {"content": "x", "success": False})],
        [("shell", LS, "c1", "error", {"content": "x", "success": False})],
    ),
    "something else was executed": (
        [asked(), ran("c1", 0, ["rm", "-r", "/"])],
        [("shell", {"command": ["rm", "-r", "/"], "cwd": "/w"}, "c1", "ok", "out")],
    ),
    "a shell around it is the same": (
        [asked(name="exec_command", args={"cmd": "ls"}), ran()],
        [("exec_command", {"cmd": "ls"}, "c1", "ok", "out")],
    ),
    "executed under an id nobody asked for": ([ran("c9")], [("shell", SHELL, "c9", "ok", "out")]),
    "free text stays text": (
        [
            item("custom_tool_call", name="apply_patch", input="{not json", call_id="c1"),
            event(
                "patch_apply_end", call_id="c1", success=True, stdout="done", stderr="", changes={"/a": {"type": "add"}}
            ),
            item("custom_tool_call_output", call_id="c1", output="Success"),
        ],
        [("apply_patch", "{not json", "c1", "ok", "done")],
    ),
    "an MCP tool by itself": (
        [
            event("mcp_tool_call_begin", call_id="m", invocation={"server": "s", "tool": "t", "arguments": {"n": 1.0}}),
            event(
                "mcp_tool_call_end",
                call_id="m",
                invocation={"server": "s", "tool": "t", "arguments": {"n": 1.0}},
                result={"Ok": {"content": [], "isError": True}},
            ),
        ],
        [("mcp__s__t", {"n": 1.0}, "m", "error", {"content": [], "isError": True})],
    ),
    "an MCP tool that could not be called": (
        [
            asked("m", "mcp__s__t", {}),
            event(
                "mcp_tool_call_end",
                call_id="m",
                invocation={"server": "s", "tool": "t", "arguments": {}},
                result={"Err": "no server"},
            ),
        ],
        [("mcp__s__t", {}, "m", "error", None)],
    ),
    "a local shell": (
        [
            item("local_shell_call", call_id="c1", status="completed", action={"type": "exec", "command": ["ls"]}),
            output("c1", "x"),
        ],
        [("shell", {"type": "exec", "command": ["ls"]}, "c1", "ok", "x")],
    ),
    "a search, told twice": (
        [
            event("web_search_end", call_id="ws", query="q", action={"type": "search", "query": "q"}),
            item("web_search_call", id="ws", status="completed", action={"type": "search", "query": "q"}),
        ],
        [("web_search", {"type": "search", "query": "q"}, "ws", "ok", None)],
    ),
    "an id used again for another tool": (
        [
            asked(),
            ran(),
            event(
                "mcp_tool_call_end",
                call_id="c1",
                invocation={"server": "s", "tool": "t", "arguments": {}},
                result={"Ok": {}},
            ),
        ],
        [("shell", LS, "c1", "ok", "out"), ("mcp__s__t", {}, "c1", "ok", {})],
    ),
    "interrupted": ([asked(), event("turn_aborted", reason="interrupted")], [("shell", LS, "c1", "unknown", None)]),
    "a dynamic tool": (
        [
            event("dynamic_tool_call_request", callId="d", tool="look", arguments={"a": 1}),
            event(
                "dynamic_tool_call_response",
                call_id="d",
                tool="look",
                arguments={"a": 1},
                content_items=[],
                success=False,
            ),
        ],
        [("look", {"a": 1}, "d", "error", [])],
    ),
    "of before the envelope": (
        [
            {"type": "function_call", "name": "shell", "arguments": '{"command":["ls"]}', "call_id": "c1"},
            {"type": "function_call_output", "call_id": "c1", "output": "x"},
        ],
        [("shell", {"command": ["ls"]}, "c1", "ok", "x")],
    ),
    "arguments that are no JSON": (
        [item("function_call", name="f", arguments="{oops", call_id="c1")],
        [("f", "{oops", "c1", "unknown", None)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_calls(name: str) -> None:
    records, expected = CASES[name]
    made = read("codex", *records)
    assert told(made) == expected
    assert (made.opaque, made.failed) == (0, 0)


def test_who_and_where() -> None:
    forked = {**META, "payload": {"id": "thread-0"}}
    made = read("codex", META, forked, asked(), item("message", role="developer", content=[], id="m"))
    (call,) = calls(made)
    assert (call.run, call.task, call.inst, call.agent, call.time) == ("thread-1", "thread-1", "thread-1", "codex", AT)
    assert made.events[-1].type == "message.developer"


def test_what_was_asked_is_kept_where_something_else_was_executed() -> None:
    (call,) = calls(read("codex", asked(), ran("c1", 0, ["rm", "x"])))
    assert call.ext is not None
    assert call.ext["asked"] == LS


@pytest.mark.parametrize(
    ("record", "kind"),
    [({"timestamp": AT, "type": "response_item", "payload": 1}, "failed"), (item("message", role="user"), "failed"),
     (event("item_completed", item="x"), "failed"), ({"timestamp": AT, "type": "event_msg", "payload": {}}, "failed"),
     (item("new_call"), "opaque"), (event("new_event"), "opaque"), (completed("NewItem", "i"), "opaque"),
     ({"timestamp": AT, "type": "new_line", "payload": {}}, "opaque"), ({}, "opaque")],
)  # fmt: skip
def test_what_cannot_be_read_is_kept(record: Any, kind: str) -> None:
    made = read("codex", META, record)
    assert made.events[-1].type == kind
    assert made.events[-1].content == record


def test_a_result_of_nothing_stands_alone() -> None:
    made = read("codex", output("c9", "x"))
    assert [(e.type, e.call, e.result) for e in made.events] == [("tool.returned", "c9", "x")]
