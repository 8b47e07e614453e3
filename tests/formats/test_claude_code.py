"""Sessions of Claude Code: calls and results by id, refusals, repetitions, subagents, and the other kinds of record."""

from __future__ import annotations

from typing import Any

import pytest

from nhictl import formats
from tests.formats.logs import calls, lines, read, told

AT = "2026-03-01T10:00:0{}Z"


def line(kind: str, uuid: str, content: Any, /, **more: Any) -> dict[str, Any]:
    return {
        "type": kind, "uuid": uuid, "parentUuid": None, "sessionId": "s-1", "timestamp": AT.format(0),
        "message": {"role": kind, "content": content, "id": f"m-{uuid}"}, **more,
    }  # fmt: skip


def use(uuid: str, *parts: tuple[str | None, str, Any], **more: Any) -> dict[str, Any]:
    made = [
        {"type": "tool_use", "name": name, "input": args, **({"id": identity} if identity else {})}
        for identity, name, args in parts
    ]
    return line("assistant", uuid, made, **more)


def result(uuid: str, identity: str | None, content: Any, /, told: Any = None, **part: Any) -> dict[str, Any]:
    given = {"type": "tool_result", "content": content, **({"tool_use_id": identity} if identity else {}), **part}
    return line("user", uuid, [given], **({"toolUseResult": told} if told is not None else {}))


BASH = ("t1", "Bash", {"command": "ls", "timeout": 1.0})
CASES: dict[str, tuple[list[Any], list[tuple[Any, ...]]]] = {
    "a result": ([use("a", BASH), result("b", "t1", "x")], [("Bash", BASH[2], "t1", "ok", "x")]),
    "a list of parts": (
        [use("a", BASH), result("b", "t1", [{"type": "text", "text": "x"}])],
        [("Bash", BASH[2], "t1", "ok", [{"type": "text", "text": "x"}])],
    ),
    "an error": ([use("a", BASH), result("b", "t1", "x", is_error=True)], [("Bash", BASH[2], "t1", "error", "x")]),
    "interrupted": (
        [use("a", BASH), result("b", "t1", "x", {"stdout": "x", "interrupted": True})],
        [("Bash", BASH[2], "t1", "error", "x")],
    ),
    "refused by the user": (
        [use("a", BASH), result("b", "t1", "The user doesn't want to proceed with this tool use. …", is_error=True)],
        [("Bash", BASH[2], "t1", "denied", "The user doesn't want to proceed with this tool use. …")],
    ),
    "output that only talks of refusals": (
        [use("a", BASH), result("b", "t1", "Permission to use x", {"stdout": ""})],
        [("Bash", BASH[2], "t1", "ok", "Permission to use x")],
    ),
    "no result": ([use("a", BASH)], [("Bash", BASH[2], "t1", "unknown", None)]),
    "parallel, answered the other way round": (
        [use("a", ("t1", "A", {}), ("t2", "B", {})), result("b", "t2", 2), result("c", "t1", 1)],
        [("A", {}, "t1", "ok", 1), ("B", {}, "t2", "ok", 2)],
    ),
    "an id used again": (
        [use("a", BASH), result("b", "t1", 1), use("c", BASH), result("d", "t1", 2)],
        [("Bash", BASH[2], "t1", "ok", 1), ("Bash", BASH[2], "t1", "ok", 2)],
    ),
    "tried again before an answer": (
        [use("a", BASH), use("b", BASH), result("c", "t1", 1)],
        [("Bash", BASH[2], "t1", "unknown", None), ("Bash", BASH[2], "t1", "ok", 1)],
    ),
    "one streamed message in two lines": (
        [
            use("a", BASH),
            use("b", BASH, message={"role": "assistant", "id": "m-a", "content": use("b", BASH)["message"]["content"]}),
            result("c", "t1", 1),
        ],
        [("Bash", BASH[2], "t1", "ok", 1)],
    ),
    "a second result does not replace the first": (
        [use("a", BASH), result("b", "t1", 1), result("c", "t1", 2)],
        [("Bash", BASH[2], "t1", "ok", 1)],
    ),
    "no ids": (
        [use("a", (None, "A", {})), {**result("b", None, 1), "parentUuid": "a"}],
        [("A", {}, None, "ok", 1)],
    ),
    "searched by the server": (
        [
            line(
                "assistant",
                "a",
                [
                    {"type": "server_tool_use", "id": "srv", "name": "web_search", "input": {"query": "q"}},
                    {"type": "web_search_tool_result", "tool_use_id": "srv", "content": [{"title": "t"}]},
                ],
            )
        ],
        [("web_search", {"query": "q"}, "srv", "ok", [{"title": "t"}])],
    ),
    "arguments are no object": ([use("a", ("t1", "A", "text"))], [("A", "text", "t1", "unknown", None)]),
    "the same line twice": ([use("a", BASH), use("a", BASH), result("b", "t1", 1)], [("Bash", BASH[2], "t1", "ok", 1)]),
}


@pytest.mark.parametrize("name", CASES)
def test_calls(name: str) -> None:
    records, expected = CASES[name]
    made = read("claude-code", *records)
    assert told(made) == expected
    assert made.failed == made.opaque == 0


BROKEN: dict[str, tuple[Any, str]] = {
    "no message": ({"type": "user", "uuid": "a", "sessionId": "s"}, "failed"),
    "message is a text": (line("user", "a", "x", message="x"), "failed"),
    "no content": (line("user", "a", "x", message={"role": "user"}), "failed"),
    "a part is a text": (line("user", "a", ["x"]), "failed"),
    "a number": (7, "failed"),
    "null": (None, "failed"),
    "not JSON": (b'{"type": "user", "uu', "failed"),
    "not a number": (b'{"type": "user", "x": NaN}', "failed"),
    "a member twice": (b'{"type": "user", "type": "user"}', "failed"),
    "a number without end": (b'{"type": "user", "x": ' + b"9" * 2000 + b"}", "failed"),
    "not UTF-8": (b'{"type": "user", "x": "\xff"}', "failed"),
    "too deep": (b'{"type": "user", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}", "failed"),
    "of no kind": ({"silly": 1}, "opaque"),
    "of an unknown kind": ({"type": "new-thing", "sessionId": "s"}, "opaque"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_kept(name: str) -> None:
    record, kind = BROKEN[name]
    made = read("claude-code", use("a", BASH), record, result("b", "t1", "x"))
    assert told(made) == [("Bash", BASH[2], "t1", "ok", "x")]
    (kept,) = [event for event in made.events if event.type in ("opaque", "failed")]
    assert kept.type == kind
    assert kept.has_content
    assert (len(made.problems) == 1) is (kind == "failed")


def test_who_and_where() -> None:
    made = read(
        "claude-code",
        {"type": "summary", "summary": "what for", "leafUuid": "x"},
        use("a", BASH, parentUuid="gone", cwd="/w", timestamp="2026-03-01T11:00:00.5+01:00"),
        {"type": "system", "uuid": "z", "parentUuid": None, "logicalParentUuid": "a", "subtype": "compact_boundary",
         "content": "compacted", "sessionId": "s-1", "timestamp": "soon"},
    )  # fmt: skip
    first, message, call, system = made.events
    assert (first.type, first.content, first.time, first.run) == ("note.summary", "what for", None, "RUN")
    assert (message.run, message.task, message.agent, message.inst) == ("s-1", "s-1", "claude-code", "s-1")
    assert (message.parent, message.time) == ("gone", "2026-03-01T10:00:00.500000Z")
    assert (call.span, call.parent, call.intent, call.principal) == ("t1", "a", None, None)
    assert (system.parent, system.time, system.ext) == ("a", None, {"subtype": "compact_boundary", "timestamp": "soon"})


def test_a_subagent_is_another_instance_and_another_run() -> None:
    own = {"isSidechain": True, "agentId": "a77"}
    made = read("claude-code", line("user", "u", "look", **own), use("v", BASH, **own))
    (call,) = calls(made)
    assert (call.run, call.agent, call.inst, call.task) == ("s-1/a77", "claude-code", "a77", "s-1")


def test_progress_repeats_and_makes_no_calls() -> None:
    inner = use("x", BASH)
    made = read("claude-code", use("a", BASH), {"type": "progress", "uuid": "p", "sessionId": "s-1", "parentUuid": "a",
                                                "data": {"type": "agent_progress", "message": inner}})  # fmt: skip
    assert len(calls(made)) == 1
    assert made.events[-1].ext == {"data": {"type": "agent_progress", "message": inner}}


def test_a_result_of_nothing_stands_alone() -> None:
    made = read("claude-code", result("b", "t9", "x", is_error=True))
    (event,) = [event for event in made.events if event.type == "tool.returned"]
    assert (event.call, event.outcome, event.result, event.parent) == ("t9", "error", "x", None)
    assert made.problems == ["log.jsonl: a result that no call fits: record 1"]


def test_what_is_printed_as_it_happens() -> None:
    part = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {}}
    printed = {
        "type": "assistant", "uuid": "a", "session_id": "s-9", "parent_tool_use_id": "t0",
        "message": {"role": "assistant", "id": "m", "content": [part]},
    }  # fmt: skip
    start = {"type": "system", "subtype": "init", "session_id": "s-9", "uuid": "z", "tools": ["Bash"]}
    assert formats.sniff(lines(start, printed)) == "claude-code"
    (call,) = calls(read("claude-code", start, printed))
    assert (call.run, call.task, call.inst, call.tool) == ("s-9", "s-9", "s-9", "Bash")
    made = read("claude-code", printed)
    assert [event.parent for event in made.events] == ["t0", "a"]
