"""The AgentDojo importer: one oddity a case, each beside a plain run that has none of them."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl import formats
from nhictl.formats import ForeignFormatError, Imported

if TYPE_CHECKING:
    from nhictl.core.replay.event import Event


def call(function: Any = "door.open", args: Any = None, **more: Any) -> dict[str, Any]:
    return {"function": function, "args": {"n": 1} if args is None else args, **more}


def asked(*calls: Any, content: Any = "") -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def told(content: Any, given_id: Any = None, echo: Any = None, error: Any = None) -> dict[str, Any]:
    return {"role": "tool", "content": content, "tool_call_id": given_id, "tool_call": echo, "error": error}


def run_of(*messages: Any, **more: Any) -> dict[str, Any]:
    names = {"suite_name": "house", "pipeline_name": "porter", "user_task_id": "evening"}
    return {**names, "messages": list(messages), **more}


def read(run: Any) -> Imported:
    data = json.dumps(run, ensure_ascii=False).encode()
    return formats.read("agentdojo", data, run="r", file="r.json")


def calls(read_run: Imported) -> list[Event]:
    return [event for event in read_run.events if event.type == "tool.called"]


A, B = call(args={"n": 1}, id="a"), call(args={"n": 2}, id="b")


@pytest.mark.parametrize("given_id", [None, "", "x", 7])
def test_ids_stay_as_given(given_id: Any) -> None:
    (event,) = calls(read(run_of(asked({**A, "id": given_id}))))
    assert event.call == given_id
    assert type(event.call) is type(given_id)
    assert "call" in event.to_json()


@pytest.mark.parametrize(
    "args",
    [{}, {"x": 1.0, "y": 1, "z": True, "w": None}, {"ä": ["ß", {"deep": [[[]]]}]}, None, [], "text", 10**30, -0.0],
)
def test_args_stay_as_given(args: Any) -> None:
    (event,) = calls(read(run_of(asked({"function": "f", "args": args}))))
    assert json.dumps(event.to_json()["args"]) == json.dumps(args)


@pytest.mark.parametrize("content", [None, "", "hé", [], [{"type": "text", "content": "a"}], [1, None, {}], {"k": 1}])
@pytest.mark.parametrize("role", ["system", "user", "assistant"])
def test_messages_are_kept_with_their_content(role: str, content: Any) -> None:
    made = read(run_of({"role": role, "content": content}))
    assert [event.type for event in made.events] == ["run", f"message.{role}"]
    assert made.events[1].to_json()["content"] == content
    assert (made.parsed, made.opaque, made.failed) == (1, 0, 0)


def test_a_message_without_content_has_none() -> None:
    assert "content" not in read(run_of({"role": "user"})).events[1].to_json()


@pytest.mark.parametrize("tool_calls", [None, [], "absent"])
def test_assistant_without_calls(tool_calls: Any) -> None:
    message = {"role": "assistant", "content": "done"}
    if tool_calls != "absent":
        message["tool_calls"] = tool_calls
    made = read(run_of(message))
    assert (calls(made), made.parsed, made.problems) == ([], 1, [])


RECORDS: dict[str, tuple[Any, tuple[int, int, int], str]] = {
    "known": ({"role": "user", "content": "x"}, (1, 0, 0), "message.user"),
    "unknown role": ({"role": "developer", "content": "x", "k": 1}, (0, 1, 0), "opaque"),
    "no role": ({"content": "x"}, (0, 0, 1), "failed"),
    "role is no text": ({"role": 5, "content": "x"}, (0, 0, 1), "failed"),
    "no object": ("hello", (0, 0, 1), "failed"),
    "null": (None, (0, 0, 1), "failed"),
    "calls are no list": ({"role": "assistant", "content": "", "tool_calls": {"a": 1}}, (0, 0, 1), "message.assistant"),
    "call is no object": (asked("door.open"), (0, 0, 1), "message.assistant"),
    "call without function": (asked({"args": {}}), (0, 0, 1), "message.assistant"),
}


@pytest.mark.parametrize("name", RECORDS)
def test_every_record_is_counted_once_and_kept(name: str) -> None:
    record, counts, kind = RECORDS[name]
    made = read(run_of(record))
    assert (made.parsed, made.opaque, made.failed) == counts
    assert made.events[1].type == kind
    assert len(made.problems) == counts[2]
    if kind in ("opaque", "failed"):
        assert made.events[1].content == record
        assert len((made.events[1].source or {})["sha256"]) == 64


def test_an_unreadable_call_still_counts_and_keeps_what_was_given() -> None:
    made = calls(read(run_of(asked(A, {"name": "odd"}, B), told("2", "b", B))))
    assert [(event.n, event.tool, event.outcome) for event in made] == [
        (0, "door.open", "not_executed"), (1, None, "not_executed"), (2, "door.open", "ok"),
    ]  # fmt: skip
    assert made[1].ext == {"tool_call": {"name": "odd"}}


def test_labels_and_extra_keys_are_kept_apart() -> None:
    labels = {"utility": True, "security": False, "injections": {"a": "b"}, "error": None, "novel": [1]}
    odd = {**asked({**A, "placeholder_args": None}), "mood": "fine"}
    made = read(run_of(odd, {**told("1", "a", call(args={"n": 9}, id="a")), "took": 3}, **labels))
    start, message, event = made.events
    names = {"suite_name": "house", "pipeline_name": "porter", "user_task_id": "evening"}
    assert start.ext == {**names, **labels}
    assert message.ext == {"mood": "fine"}
    assert event.ext == {
        "placeholder_args": None,
        "result": {"took": 3, "tool_call": {"function": "door.open", "args": {"n": 9}, "id": "a"}},
    }
    without = read(run_of(odd, {**told("1", "a", call(args={"n": 9}, id="a")), "took": 3}))
    assert [e.to_json() for e in without.events[1:]] == [e.to_json() for e in made.events[1:]]


@pytest.mark.parametrize(
    ("missing", "agent", "task"),
    [
        ("pipeline_name", None, "house/evening"),
        ("suite_name", "porter", None),
        ("user_task_id", "porter", None),
        ("injection_task_id", "porter", "house/evening"),
    ],
)
def test_missing_names_stay_unknown(missing: str, agent: str | None, task: str | None) -> None:
    whole = run_of(asked(A), injection_task_id=None)
    del whole[missing]
    made = read(whole)
    assert {(event.agent, event.task) for event in made.events} == {(agent, task)}
    assert made.events[0].intent == task
    assert bool(made.problems) == (missing != "injection_task_id")


def test_an_empty_run_is_a_run() -> None:
    made = read(run_of())
    assert [event.type for event in made.events] == ["run"]
    assert (made.parsed, made.opaque, made.failed) == (0, 0, 0)


REFUSED: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"hello", "not strict JSON"),
    "empty": (b"", "not strict JSON"),
    "cut": (json.dumps(run_of(asked(A))).encode()[:-3], "not strict JSON"),
    "two runs": (json.dumps(run_of()).encode() * 2, "not strict JSON"),
    "a list": (b"[]", "not an object"),
    "another shape": (b'{"resourceSpans": []}', "`messages`"),
    "messages are no list": (b'{"suite_name": "s", "pipeline_name": "p", "messages": {}}', "`messages`"),
    "a chat of another kind": (b'{"messages": [], "model": "m"}', "names no `suite_name`"),
    "duplicate member": (b'{"suite_name": "s", "suite_name": "t", "messages": []}', "duplicate member `suite_name`"),
    "NaN": (b'{"suite_name": "s", "messages": [], "duration": NaN}', "`NaN`"),
    "byte order mark": (b"\xef\xbb\xbf" + json.dumps(run_of()).encode(), "byte order mark"),
    "bad UTF-8": (b'{"suite_name": "\xff", "messages": []}', "invalid UTF-8"),
    "too deep": (
        b'{"suite_name": "s", "messages": [{"role": "user", "content": ' + b"[" * 199 + b"]" * 199 + b"}]}",
        "deeper than 200",
    ),
    "far too deep": (b'{"suite_name": ' + b"[" * 100_000, "deeper than 200"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_of_no_use_are_refused_by_name(name: str) -> None:
    data, why = REFUSED[name]
    with pytest.raises(ForeignFormatError) as caught:
        formats.read("agentdojo", data, run="r", file="the/file.json")
    assert caught.value.message.startswith("the/file.json")
    assert why in caught.value.message
    assert caught.value.exit == 2


def test_depth_within_the_cap_is_read() -> None:
    deep = b'{"suite_name": "s", "messages": [{"role": "user", "content": ' + b"[" * 190 + b"]" * 190 + b"}]}"
    assert formats.read("agentdojo", deep, run="r", file="f").parsed == 1


def test_large_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = json.dumps(run_of()).encode()
    monkeypatch.setattr("nhictl.formats.agentdojo.MAX_BYTES", len(data))
    assert formats.read("agentdojo", data, run="r", file="f").parsed == 0
    with pytest.raises(ForeignFormatError, match="larger than"):
        formats.read("agentdojo", data + b" ", run="r", file="f")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
generated_calls = st.fixed_dictionaries(
    {"function": st.sampled_from(["f", "g", "ħ"]), "args": values},
    optional={"id": st.none() | st.sampled_from(["", "a", "b", "c"])},
)
generated_messages = st.one_of(
    st.builds(lambda found, content: asked(*found, content=content), st.lists(generated_calls, max_size=4), values),
    st.builds(told, values, st.none() | st.sampled_from(["", "a", "b"]), st.none() | generated_calls, st.none()),
    st.fixed_dictionaries({"role": st.sampled_from(["user", "system", "other"]), "content": values}),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(generated_messages, max_size=8))
def test_calls_out_are_calls_in(messages: list[Any]) -> None:
    before = copy.deepcopy(messages)
    made = read(run_of(*messages))
    wanted = [c for m in messages if m["role"] == "assistant" for c in m["tool_calls"]]
    got = [
        {"function": event.tool, "args": event.args, **({"id": event.call} if "id" in source else {})}
        for event, source in zip(calls(made), wanted, strict=True)
    ]
    assert json.dumps(got, sort_keys=True) == json.dumps(wanted, sort_keys=True)
    assert [event.n for event in calls(made)] == list(range(len(wanted)))
    assert made.parsed + made.opaque + made.failed == len(messages)
    answers = sum(m["role"] == "tool" for m in messages)
    paired = sum(event.outcome != "not_executed" for event in calls(made))
    assert paired + sum(event.type == "tool.returned" for event in made.events) == answers
    lines = [event.to_json() for event in made.events]
    assert json.loads(json.dumps(lines)) == lines
    assert json.dumps([event.to_json() for event in read(run_of(*before)).events]) == json.dumps(lines)
