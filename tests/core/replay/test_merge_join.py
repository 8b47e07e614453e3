"""Several sources as one story: order, runs, and which records are one act."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.replay.event import Event
from nhictl.core.replay.join import join
from nhictl.core.replay.merge import merge
from nhictl.core.replay.select import select

AT = "2026-03-01T10:00:{:02}Z"


def act(second: int | None = 0, file: str | None = "f", tool: str = "rm", /, n: int | None = 0, **more: Any) -> Event:
    """A call: of a file, or, without one, of our own log."""
    own = file is None
    made = Event("token.used" if own else "tool.called", evidence="recorded" if own else "imported", tool=tool, n=n,
                 time=None if second is None else AT.format(second), run=more.pop("run", file or "t-1"),
                 source=None if own else {"file": file, "offset": 0})  # fmt: skip
    made.seq = more.pop("seq", 7) if own else None
    for name, value in more.items():
        setattr(made, name, value)
    return made


def order(*sources: list[Event]) -> list[tuple[str | None, int | None]]:
    return [(event.run, event.n) for event in merge(sources)]


def test_by_time_across_and_by_place_within() -> None:
    one = [act(1, "a", n=0), act(9, "a", n=1), act(3, "a", n=2)]
    two = [act(2, "b", n=0), act(None, "b", n=1), act(10, "b", n=2)]
    assert order(one, two) == [("a", 0), ("b", 0), ("b", 1), ("a", 1), ("a", 2), ("b", 2)]


def test_sources_without_times_come_first_and_whole() -> None:
    assert order([act(1, "a")], [act(None, "b", n=0), act(None, "b", n=1)], [act(None, "c")]) == [
        ("b", 0), ("b", 1), ("c", 0), ("a", 0),
    ]  # fmt: skip


def test_a_timeless_beginning_goes_with_the_first_time() -> None:
    assert order([act(5, "a")], [act(None, "b", n=0), act(7, "b", n=1)]) == [("a", 0), ("b", 0), ("b", 1)]


def test_equal_names_of_runs_are_told_apart() -> None:
    assert order([act(1, "a", run="s")], [act(2, "b", run="s")], [act(3, "c", run="s#2")]) == [
        ("s", 0), ("s#2", 0), ("s#2#2", 0),
    ]  # fmt: skip


def test_a_trace_goes_on_in_another_file() -> None:
    assert order([act(1, "a", run="t", trace="t")], [act(2, "b", run="t", trace="t")]) == [("t", 0), ("t", 1)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.one_of(st.none(), st.integers(0, 59)), max_size=8), max_size=4))
def test_nothing_is_lost_and_no_source_is_reordered(times: list[list[int | None]]) -> None:
    sources = [[act(at, f"f{place}", n=n) for n, at in enumerate(some)] for place, some in enumerate(times)]
    merged = [(event.source["file"], event.n) for event in merge(sources) if event.source is not None]
    assert len(merged) == sum(map(len, times))
    for place, some in enumerate(times):
        assert [n for file, n in merged if file == f"f{place}"] == list(range(len(some)))


LONG = "toolu_0123456789"
TRACE = "0af7651916cd43dd8448eb211c80319c"
JOINS: dict[str, tuple[list[Event], list[tuple[int, int, str]]]] = {
    "a token and a tool": ([act(0, None, jti="j"), act(50, jti="j")], [(0, 1, "jti")]),
    "a token and another tool": ([act(0, None, jti="j"), act(1, "f", "ls", jti="j")], []),
    "a token used twice": ([act(0, None, jti="j"), act(1, None, jti="j"), act(2, jti="j")], []),
    "a call id": ([act(0, None, call=LONG), act(0, "f", "other", call=LONG)], [(0, 1, "call")]),
    "a small call id means nothing": ([act(0, "a", call=1), act(0, "b", "other", call=1)], []),
    "a call id as a host tells it to a server": (
        [act(0, "a", call=LONG), act(0, "b", "other", call=3, ext={"_meta": {"claudecode/toolUseId": LONG}})],
        [(0, 1, "call")],
    ),
    "a trace": ([act(0, None, trace=TRACE), act(0, trace=TRACE)], [(0, 1, "trace")]),
    "a span": ([act(0, "a", trace=TRACE, span="s"), act(0, "b", "x", trace=TRACE, span="s")], [(0, 1, "trace")]),
    "arguments": ([act(0, None, args={"a": 1, "b": 2}), act(59, args={"b": 2, "a": 1})], [(0, 1, "args")]),
    "arguments of another type": ([act(0, None, args={"a": 1}), act(1, args={"a": 1.0})], []),
    "arguments, too far apart": (
        [act(0, None, args={}), act(59, args={}), act(0, "g", args={}, time="2026-03-01T10:03:00Z")],
        [(0, 1, "args")],
    ),
    "arguments without times": ([act(None, None, args={}), act(None, args={})], []),
    "arguments that fit two acts": ([act(0, None, args={}), act(1, args={}), act(2, args={})], []),
    "one file's own calls are never one act": ([act(0, "a", call=LONG), act(0, "a", call=LONG)], []),
    "our decision and our record are both the call": (
        [act(0, None, jti="j", seq=3), act(0, None, jti="j", seq=4, type="tool.called"), act(1, jti="j")],
        [(0, 2, "jti"), (1, 2, "jti")],
    ),
}


@pytest.mark.parametrize("name", JOINS)
def test_joins(name: str) -> None:
    events, links = JOINS[name]
    for event in events:
        event.joined = None
    assert join(events) == len(links)
    found = {
        (one, other, entry["by"])
        for one, event in enumerate(events)
        for entry in event.joined or []
        for other, candidate in enumerate(events)
        if other != one and (candidate.run, candidate.n, candidate.seq) == (entry["run"], entry["n"], entry.get("seq"))
    }
    assert found == {(one, other, by) for one, other, by in links} | {(other, one, by) for one, other, by in links}


FOUR = [
    act(1, "a", "s3:GetObject", inst="i1", principal="ann", resource="s3://crm/a"),
    act(2, "a", "s3:PutObject", inst="i2", principal={"id": "ann"}, resource=["s3://x", "s3://crm"]),
    act(3, "a", "iam:ListUsers", principal="bob", resource="s3://crm-evil/a"),
    act(4, "a", "fs/read"),
]


@pytest.mark.parametrize(
    ("asked", "kept", "left"),
    [
        ({"instance": "i1"}, [1], 0),
        ({"principal": "ann"}, [1, 2], 1),
        ({"tool": "s3:*"}, [1, 2], 0),
        ({"tool": "*"}, [1, 2, 3], 0),
        ({"tool": "iam:ListUsers"}, [3], 0),
        ({"resource": "s3://crm"}, [1, 2], 1),
        ({"resource": "s3://crm/"}, [1], 1),
        ({"resource": "s3://crm/a", "tool": "s3:*"}, [1], 0),
        ({"principal": "nobody"}, [], 1),
    ],
)
def test_select_by_instance_principal_tool_and_resource(asked: dict[str, str], kept: list[int], left: int) -> None:
    found = select(FOUR, **asked)  # type: ignore[arg-type]
    assert [event.time for event in found.events] == [AT.format(second) for second in kept]
    assert len(found.unproven) == left
    assert all("left out" in sentence for sentence in found.unproven)
