"""Any JSON log by a map: the language, its refusals, and what it does with records."""

from __future__ import annotations

from typing import Any

import pytest

from nhictl import formats
from nhictl.errors import InputError
from tests.formats.logs import calls, check, lines, read, told

MAP = b"""
nhictl_map: 1
fields:
  run: [meta, job.id]
  agent: meta.bot
  time: {path: ts, unit: s}
rules:
  - when: {kind: [call, 7], meta.bot: {present: true}}
    type: tool.called
    fields: {tool: name, args: {json: input}, call: id, principal: {const: cron}, resource: targets.0}
  - when: {kind: done}
    type: tool.returned
    fields: {call: id, result: output, outcome: {path: status, is: {good: ok, bad: error, "true": denied}}}
  - when: {kind: log}
    type: note.log
    fields: {content: text}
"""
META = {"job.id": "j1", "bot": "sweeper"}


def call(identity: Any = 1, **more: Any) -> dict[str, Any]:
    return {"kind": "call", "id": identity, "name": "rm", "input": '{"n": 1.0}', "meta": META, "ts": 1772359200, **more}


def done(identity: Any = 1, status: Any = "good", **more: Any) -> dict[str, Any]:
    return {"kind": "done", "id": identity, "output": "x", "status": status, "meta": META, "ts": 1772359201.5, **more}


def test_records_become_events() -> None:
    made = read("generic", call(targets=["/a", "/b"], extra=1), done(more=2), {"kind": "log", "text": "hi"}, {"kind": "x"},
                call(kind=7), mapping=MAP)  # fmt: skip
    first, second = calls(made)
    assert told(made) == [("rm", {"n": 1.0}, 1, "ok", "x"), ("rm", {"n": 1.0}, 1, "unknown", None)]
    assert (first.run, first.agent, first.principal, first.resource) == ("j1", "sweeper", "cron", "/a")
    assert (first.time, first.ended) == ("2026-03-01T10:00:00.000000Z", "2026-03-01T10:00:01.500000Z")
    assert first.ext == {"targets": ["/a", "/b"], "extra": 1, "meta": META, "returned": {"more": 2, "meta": META}}
    assert (second.n, second.resource) == (1, None)
    assert [(e.type, e.run, e.content) for e in made.events if e.n is None] == [
        ("note.log", "RUN", "hi"), ("opaque", "RUN", {"kind": "x"}),
    ]  # fmt: skip
    assert (made.parsed, made.opaque) == (4, 1)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("good", "ok"), ("bad", "error"), (True, "denied"), ("new", "unknown"), (None, "ok"), (1, "unknown")],
)
def test_outcomes(status: Any, outcome: str) -> None:
    assert [row[3] for row in told(read("generic", call(), done(1, status), mapping=MAP))] == [outcome]


@pytest.mark.parametrize(("given", "asked"), [(1, "1"), ("1", 1), (True, 1)])
def test_ids_of_another_type_do_not_meet(given: Any, asked: Any) -> None:
    made = read("generic", call(given), done(asked), mapping=MAP)
    assert [event.type for event in made.events] == ["tool.called", "tool.returned"]


def test_a_list_in_a_text_by_time() -> None:
    mapping = MAP + b"list: items\nby_time: true\n"
    records = [call(2, ts=1772359205), call(1)]
    for data in (lines({"items": records}), lines(*records), b'{\n"items": ' + lines(records) + b"}"):
        made = formats.read("generic", data, run="r", file="f", mapping=mapping)
        check(made)
        assert [row[2] for row in told(made)] == [1, 2]


def test_a_call_without_a_tool_is_broken() -> None:
    made = read("generic", call(name=None), call(), mapping=MAP)
    assert (made.failed, made.parsed) == (1, 1)


REFUSED: dict[str, tuple[bytes, str]] = {
    "no version": (b"rules: []", "lacks `nhictl_map`"),
    "another version": (b"nhictl_map: 2\nrules: [{type: note.x}]", "must be 1"),
    "no rules": (b"nhictl_map: 1\nrules: []", "must not be empty"),
    "unknown key": (b"nhictl_map: 1\nrule: []", "unknown key `rule`"),
    "a type of ours": (b"nhictl_map: 1\nrules: [{type: token.revoked}]", "no type `token.revoked`"),
    "a call without a tool": (b"nhictl_map: 1\nrules: [{type: tool.called}]", "where `tool` is"),
    "unknown field": (b"nhictl_map: 1\nrules: [{type: note.x, fields: {who: a}}]", "unknown key `who`"),
    "unknown unit": (b"nhictl_map: 1\nrules: [{type: note.x, fields: {time: {path: a, unit: h}}}]", "no unit `h`"),
    "a unit without a time": (
        b"nhictl_map: 1\nrules: [{type: note.x, fields: {run: {path: a, unit: s}}}]",
        "`unit` is for",
    ),
    "two sources": (b"nhictl_map: 1\nrules: [{type: note.x, fields: {run: {path: a, const: b}}}]", "needs one of"),
    "an unknown outcome": (
        b"nhictl_map: 1\nrules: [{type: note.x, fields: {outcome: {path: a, is: {x: fine}}}}]",
        "no outcome `fine`",
    ),
    "a path with a hole": (b"nhictl_map: 1\nrules: [{type: note.x, fields: {run: a..b}}]", "is no path"),
    "a condition on a fraction": (b"nhictl_map: 1\nrules: [{type: note.x, when: {a: 1.5}}]", "a condition compares"),
    "not YAML": (b"nhictl_map: [", "the map:"),
    "too long": (b"nhictl_map: 1\nrules: [{type: note.x}]\n#" + b"x" * 70_000, "more than 65536 bytes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_maps_are_read_strictly(name: str) -> None:
    mapping, why = REFUSED[name]
    with pytest.raises(InputError) as caught:
        formats.read("generic", b"{}", run="r", file="f", mapping=mapping)
    assert why in caught.value.message


def test_a_map_is_needed_and_for_nothing_else() -> None:
    with pytest.raises(InputError, match="needs a map"):
        formats.read("generic", b"{}", run="r", file="f")
    with pytest.raises(InputError, match="for the format `generic` alone"):
        formats.read("codex", b"{}", run="r", file="f", mapping=MAP)
