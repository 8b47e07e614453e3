"""SWE-agent's trajectories: steps, messages, and what each says of the other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nhictl import formats
from nhictl.formats import Imported
from tests.formats.logs import calls, check, told


def read(**members: Any) -> Imported:
    data = json.dumps(members).encode()
    assert formats.sniff(data) == "swe-agent"
    made = formats.read("swe-agent", data, run="RUN", file="f.traj")
    check(made)
    return made


def step(action: Any, observation: Any = "seen", **more: Any) -> dict[str, Any]:
    return {"action": action, "observation": observation, "response": "r", "thought": "t", "state": "{}", **more}


def asks(action: str, *functions: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "role": "assistant",
        "content": "c",
        "agent": "main",
        "action": action,
        "message_type": "action",
        "tool_calls": [
            {"id": identity, "type": "function", "function": {"name": name, "arguments": args}}
            for identity, name, args in functions
        ],
    }


def saw(*ids: str) -> dict[str, Any]:
    return {
        "role": "tool",
        "content": "seen",
        "agent": "main",
        "tool_call_ids": list(ids),
        "message_type": "observation",
    }


CASES: dict[str, tuple[dict[str, Any], list[tuple[Any, ...]], int]] = {
    "steps": (
        {"trajectory": [step("ls -l\n"), step("submit", None)], "history": [], "info": {}},
        [("bash", {"command": "ls -l\n"}, None, "ok", "seen"), ("bash", {"command": "submit"}, None, "unknown", None)],
        2,
    ),
    "a step without an action": ({"trajectory": [step(""), step(" \n")], "info": {}}, [], 2),
    "steps and messages": (
        {
            "trajectory": [step("open x")],
            "history": [asks("open x", ("c1", "open", '{"path": "x", "n": 1.0}')), saw("c1")],
            "info": {},
        },
        [("open", {"path": "x", "n": 1.0}, "c1", "ok", "seen")],
        3,
    ),
    "messages alone": (
        {"history": [{"role": "system", "content": "s"}, asks("open x", ("c1", "open", '{"path": "x"}')), saw("c1")]},
        [("open", {"path": "x"}, "c1", "ok", "seen")],
        3,
    ),
    "messages with two calls": (
        {"history": [asks("", ("c1", "a", "{}"), ("c2", "b", "{}")), saw("c2"), saw("c1")]},
        [("a", {}, "c1", "ok", "seen"), ("b", {}, "c2", "ok", "seen")],
        3,
    ),
    "messages of old": (
        {
            "history": [
                {"role": "assistant", "content": "c", "action": "ls", "agent": "primary"},
                {"role": "user", "content": "seen"},
            ]
        },
        [("bash", {"command": "ls"}, None, "ok", "seen")],
        2,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_calls(name: str) -> None:
    members, expected, records = CASES[name]
    made = read(**members)
    assert told(made) == expected
    assert (made.parsed, made.opaque, made.failed) == (records, 0, 0)
    assert {event.time for event in made.events} == {None}
    assert {event.agent for event in made.events} == {"swe-agent"}


def test_broken_elements() -> None:
    made = read(
        trajectory=[step(5), 7, step("ls")], history=[{"role": "robot", "content": ""}, {"role": "user"}], info={}
    )
    assert (made.parsed, made.opaque, made.failed) == (1, 1, 3)
    assert [call.args for call in calls(made)] == [{"command": "ls"}]
    assert any("step 0" in sentence for sentence in made.problems)


def test_the_rest_of_the_file_is_kept() -> None:
    made = read(
        trajectory=[step("ls")], history=[], info={"exit_status": "submitted"}, environment="e", replay_config=None
    )
    start = made.events[0]
    assert (start.type, start.ext) == (
        "run",
        {"info": {"exit_status": "submitted"}, "environment": "e", "replay_config": None},
    )
    (call,) = calls(made)
    assert call.ext is not None
    assert call.ext["thought"] == "t"
