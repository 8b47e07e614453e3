"""Which result answers which call: a table of odd turns, first a plain one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from nhictl import formats

if TYPE_CHECKING:
    from nhictl.core.replay.event import Event
    from nhictl.formats import Imported


def call(function: Any = "door.open", args: Any = None, **more: Any) -> dict[str, Any]:
    return {"function": function, "args": {"n": 1} if args is None else args, **more}


def asked(*calls: Any, content: Any = "") -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def told(content: Any, given_id: Any = None, echo: Any = None, error: Any = None) -> dict[str, Any]:
    return {"role": "tool", "content": content, "tool_call_id": given_id, "tool_call": echo, "error": error}


def run_of(*messages: Any) -> dict[str, Any]:
    names = {"suite_name": "house", "pipeline_name": "porter", "user_task_id": "evening"}
    return {**names, "messages": list(messages)}


def read(run: Any) -> Imported:
    data = json.dumps(run, ensure_ascii=False).encode()
    return formats.read("agentdojo", data, run="r", file="r.json")


def calls(read_run: Imported) -> list[Event]:
    return [event for event in read_run.events if event.type == "tool.called"]


def ends(*messages: Any) -> list[tuple[Any, Any]]:
    """(outcome, result) of each call of a run of these messages."""
    return [(event.outcome, event.result) for event in calls(read(run_of(*messages)))]


A, B = call(args={"n": 1}, id="a"), call(args={"n": 2}, id="b")
BARE_A, BARE_B = call(args={"n": 1}), call(args={"n": 2})
LOOK = call("door.look", args={"n": 1}, id="c")
PAIRINGS: dict[str, tuple[list[Any], list[tuple[Any, Any]]]] = {
    "plain": ([asked(A, B), told("1", "a", A), told("2", "b", B)], [("ok", "1"), ("ok", "2")]),
    "out of order, by id": ([asked(A, B), told("2", "b"), told("1", "a")], [("ok", "1"), ("ok", "2")]),
    "out of order, without ids": (
        [asked(BARE_A, BARE_B), told("2", None, BARE_B), told("1", None, BARE_A)],
        [("ok", "1"), ("ok", "2")],
    ),
    "without ids or echo, by order": ([asked(BARE_A, BARE_B), told("1"), told("2")], [("ok", "1"), ("ok", "2")]),
    "empty ids": (
        [asked({**A, "id": ""}, {**B, "id": ""}), told("2", "", {**B, "id": ""})],
        [("not_executed", None), ("ok", "2")],
    ),
    "one id twice in a message": (
        [asked(A, {**B, "id": "a"}), told("2", "a", {**B, "id": "a"}), told("1", "a", A)],
        [("ok", "1"), ("ok", "2")],
    ),
    "one id again later": (
        [asked(A), told("1", "a", A), asked({**B, "id": "a"}), told("2", "a", B)],
        [("ok", "1"), ("ok", "2")],
    ),
    "one id again later, first never ran": (
        [asked(A), asked({**B, "id": "a"}), told("2", "a", B)],
        [("not_executed", None), ("ok", "2")],
    ),
    "id unknown, repeated call fits": ([asked(A, B), told("2", "zz", B)], [("not_executed", None), ("ok", "2")]),
    "id unknown, nothing else": ([asked(A), told("?", "zz")], [("not_executed", None)]),
    "another function": ([asked(A), told("?", None, LOOK)], [("not_executed", None)]),
    "arguments changed on the way": ([asked(BARE_A), told("1", None, call(args={"n": "1"}))], [("ok", "1")]),
    "arguments changed, only the call has an id": ([asked(A), told("1", None, call(args={"n": "1"}))], [("ok", "1")]),
    "arguments changed, only the result has an id": (
        [asked(BARE_A), told("1", "zz", call(args={"n": "1"}))],
        [("ok", "1")],
    ),
    "only the call has an id": ([asked(A), told("1")], [("ok", "1")]),
    "only the result has an id": ([asked(BARE_A), told("1", "zz")], [("ok", "1")]),
    "a result without id prefers a call without": (
        [asked(A, BARE_A), told("1", None, BARE_A)],
        [("not_executed", None), ("ok", "1")],
    ),
    "an unknown id prefers a call without": (
        [asked(A, BARE_A), told("1", "zz", BARE_A)],
        [("not_executed", None), ("ok", "1")],
    ),
    "a turn later, by id": ([asked(A), asked(B), told("1", "a"), told("2", "b")], [("ok", "1"), ("ok", "2")]),
    "a turn later, no id": ([asked(BARE_A), asked(content="hm"), told("1", None, BARE_A)], [("not_executed", None)]),
    "a turn later, id of another call": (
        [asked(A), asked(BARE_B), told("2", "a", BARE_B)],
        [("not_executed", None), ("ok", "2")],
    ),
    "user speaks in between": ([asked(A), {"role": "user", "content": "go on"}, told("1", "a")], [("ok", "1")]),
    "failed": ([asked(A), told("", "a", A, "ValueError: stuck")], [("error", "")]),
    "empty error is none": ([asked(A), told("1", "a", A, "")], [("ok", "1")]),
    "true is not 1": (
        [asked(call(args={"n": True}), call(args={"n": 1})), told("x", None, call(args={"n": 1}))],
        [("not_executed", None), ("ok", "x")],
    ),
    "never executed": ([asked(A)], [("not_executed", None)]),
    "answered twice": ([asked(A), told("1", "a", A), told("again", "a", A)], [("ok", "1")]),
    "id is a number": ([asked({**A, "id": 7}, {**B, "id": 8}), told("2", 8)], [("not_executed", None), ("ok", "2")]),
}


@pytest.mark.parametrize("name", PAIRINGS)
def test_results_find_their_calls(name: str) -> None:
    messages, expected = PAIRINGS[name]
    assert ends(*messages) == expected
    whole = read(run_of(*messages))
    answered = sum(event.outcome != "not_executed" for event in calls(whole))
    orphans = [event for event in whole.events if event.type == "tool.returned"]
    assert answered + len(orphans) == sum(message["role"] == "tool" for message in messages)
    assert all(orphan.parent is None and orphan.n is None for orphan in orphans)
    assert len(whole.problems) == len(orphans)
