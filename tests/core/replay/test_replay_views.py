"""Filters, timeline rows and trees over events."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.replay import select, timeline, tree
from nhictl.core.replay.event import Event

BOT = "spiffe://example.org/agent/bot"


def event(kind: str = "tool.called", seq: int | None = None, jti: str | None = None, **fields: Any) -> Event:
    additions = {name: fields.pop(name) for name in ("delegation", "parent_delegation", "principal") if name in fields}
    made = Event(kind, **{"evidence": "recorded", **fields})
    made.seq, made.jti = seq, jti
    for name, value in additions.items():
        setattr(made, name, value)
    return made


FOUR = [
    event(agent=BOT, task="t1", run="t1", jti="j1", time="2026-03-01T10:00:00.000000Z"),
    event(agent="bot", task="t2", run="t2", jti="j2", time="2026-03-01T10:00:01Z"),
    event(agent="spiffe://example.org/agent/robot", task="t1", run="r", time="2026-03-01T12:00:02+02:00"),
    event(agent="bot", run="r"),
]
T0 = 1_772_359_200_000_000  # 2026-03-01T10:00:00Z
FILTERS: dict[str, tuple[dict[str, Any], list[int], int]] = {
    "nothing asked": ({}, [0, 1, 2, 3], 0),
    "agent by name": ({"agent": "bot"}, [0, 1, 3], 0),
    "agent by its SPIFFE ID": ({"agent": BOT}, [0], 0),
    "agent nobody is": ({"agent": "ot"}, [], 0),
    "task": ({"task": "t1"}, [0, 2], 0),
    "token": ({"token": "j2"}, [1], 0),
    "run": ({"run": "r"}, [2, 3], 0),
    "two at once": ({"run": "r", "task": "t1"}, [2], 0),
    "since, inclusive": ({"since_us": T0 + 1_000_000}, [1, 2], 1),
    "since, just after": ({"since_us": T0 + 1_000_001}, [2], 1),
    "until, inclusive": ({"until_us": T0}, [0], 1),
    "until, just before": ({"until_us": T0 - 1}, [], 1),
    "between": ({"since_us": T0 + 1, "until_us": T0 + 1_999_999}, [1], 1),
    "time only where the rest fits": ({"since_us": 0, "task": "t1"}, [0, 2], 0),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters(name: str) -> None:
    asked, places, gaps = FILTERS[name]
    chosen = select.select(FOUR, **asked)
    assert chosen.events == [FOUR[place] for place in places]
    assert len(chosen.unproven) == gaps
    assert all("1 event has no time" in sentence for sentence in chosen.unproven)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("2026-03-01T10:00:00.5z", T0 + 500_000),
        ("2026-03-01t11:00:00+01:00", T0),
        ("2026-03-01T10:00:00.123456789Z", T0 + 123_456),
        ("9999-12-31T23:59:59Z", 253_402_300_799_000_000),
        (None, None),
        ("", None),
        ("2026-03-01", None),
        ("2026-03-01T10:00:00", None),
        ("2026-02-30T10:00:00Z", None),
        ("2026-W09-7T10:00:00Z", None),
        ("2026-03-01T25:00:00Z", None),
        ("٢٠٢٦-03-01T10:00:00Z", None),
    ],
)
def test_instants(text: str | None, expected: int | None) -> None:
    assert select.instant_us(text) == expected


def message(content: Any) -> Event:
    made = event("message.user", run="r")
    made.set_content(content)
    return made


@pytest.mark.parametrize(
    ("made", "args"),
    [
        (event(args={"a": ["é"], "b": None}), '{"a":["é"],"b":null}'),
        (event(args={}), "{}"),
        (event(), None),
        (event(args={"text": "x" * 100}), '{"text":"xxxxxxxxxx…'),
        (message("two\n  lines"), "two lines"),
        (message("y" * 21), "y" * 19 + "…"),
        (message("y" * 20), "y" * 20),
        (message("z" * 10_000), "z" * 19 + "…"),
        (message(" " * 10_000 + "late"), "…"),
        (message([{"type": "text", "content": "a"}, {"type": "text", "content": "b"}]), "a b"),
        (message([{"type": "image"}]), '[{"type":"image"}]'),
        (message(None), None),
        (message([]), ""),
    ],
)
def test_timeline_shows_arguments_shortly(made: Event, args: str | None) -> None:
    (row,) = timeline.rows([made], width=20)
    assert dict(zip(timeline.COLUMNS, row, strict=True))["args"] == args


def test_timeline_row_in_full() -> None:
    made = event(
        n=3, time="2026-03-01T10:00:00Z", agent="bot", run="t1", tool="pay", args={"a": 1}, outcome="denied",
        decision={"reason": "not_permitted"},
    )  # fmt: skip
    failed = event("tool.returned", outcome="error")
    failed.error = "broke\x1b[31m"
    assert list(timeline.rows([made, failed])) == [
        (
            3,
            "2026-03-01T10:00:00Z",
            "bot",
            "t1",
            "tool.called",
            "pay",
            '{"a":1}',
            "denied",
            "not_permitted",
            "recorded",
        ),
        (None, None, None, None, "tool.returned", None, None, "error", "broke\x1b[31m", "recorded"),
    ]


def drawn(*events: Event) -> list[str]:
    return list(tree.tree_lines(tree.build(events)))


def test_own_tree_hangs_acts_under_their_token() -> None:
    same = {"task": "t1", "agent": "bot", "principal": "odile"}
    assert drawn(
        event("log.genesis", 0, outcome="ok"),
        event("task.opened", 1, outcome="ok", **same),
        event("token.issued", 2, "j1", delegation="d1", **same),
        event("token.delegated", 3, "j2", delegation="d2", parent_delegation="d1", task="t1", agent="helper"),
        event("tool.called", 4, "j2", n=0, tool="pay", args={"a": 1}, outcome="ok", task="t1", agent="helper"),
        event("token.denied", 5, "j1", tool="pay", outcome="denied", decision={"reason": "not_permitted"}, **same),
        event("token.revoked", 6, "j1", outcome="ok", **same),
        event("task.closed", 7, outcome="ok", **same),
    ) == [
        "authority",
        "└─ log.genesis ok",
        "principal odile agent bot",
        "└─ task t1 task.opened ok",
        "   ├─ token j1 bot token.issued",
        "   │  ├─ token j2 helper token.delegated",
        '   │  │  └─ #0 pay ok {"a":1}',
        "   │  ├─ token.denied pay denied not_permitted",
        "   │  └─ token.revoked ok",
        "   └─ task.closed ok",
    ]


def test_what_was_never_made_is_a_question() -> None:
    assert drawn(
        event("token.used", 1, "j9", task="t9", agent="bot"),
        event("token.delegated", 2, "j2", parent_delegation="d9", task="t9", agent="bot"),
        event("token.issued", 3, "j9", task="t9", agent="bot"),
    ) == [
        "agent bot",
        "└─ ? task t9",
        "   ├─ ? token j9",
        "   │  ├─ token.used",
        "   │  └─ token.issued",
        "   └─ ? delegation d9",
        "      └─ token j2 bot token.delegated",
    ]


def spanned(span: str | None, parent: str | None, kind: str = "step", run: str = "r") -> Event:
    return event(kind, span=span, parent=parent, run=run, evidence="imported")


TREES: dict[str, tuple[list[Event], list[str]]] = {
    "in order": (
        [spanned("run", None, "run"), spanned("a", "run"), spanned("b", "a")],
        ["run r", "└─ step", "   └─ step"],
    ),
    "child first": ([spanned("b", "a", "B"), spanned("a", None, "A")], ["run r", "└─ A", "   └─ B"]),
    "parent gone": ([spanned("a", "zz", "A"), spanned("b", "zz", "B")], ["run r", "└─ ? zz", "   ├─ A", "   └─ B"]),
    "result of no call": ([spanned("a", None, "tool.returned")], ["run r", "└─ ?", "   └─ tool.returned"]),
    "its own parent": ([spanned("a", "a", "A")], ["run r", "└─ ? a", "   └─ A"]),
    "a circle": (
        [spanned("c", "b", "C"), spanned("a", "b", "A"), spanned("b", "a", "B")],
        ["run r", "└─ ? b", "   └─ A", "      └─ B", "         └─ C"],
    ),
    "one span twice": (
        [spanned("a", None, "A"), spanned("a", None, "A2"), spanned("b", "a", "B")],
        ["run r", "├─ A", "│  └─ B", "└─ A2"],
    ),
    "two runs with the same spans": (
        [spanned("a", None, "A", "x"), spanned("a", None, "A", "y"), spanned("b", "a", "B", "x")],
        ["run x", "└─ A", "   └─ B", "run y", "└─ A"],
    ),
    "no spans at all": ([spanned(None, None, "A"), spanned(None, None, "B")], ["run r", "├─ A", "└─ B"]),
}


@pytest.mark.parametrize("name", TREES)
def test_imported_trees(name: str) -> None:
    events, lines = TREES[name]
    assert drawn(*events) == lines


def test_labels_stay_raw_and_are_escaped_by_who_draws() -> None:
    nodes = tree.build([spanned("a", None, "evil\n\x1b[2J")])
    assert nodes[0].children[0].label == ("evil\n\x1b[2J",)
    assert list(tree.tree_lines(nodes, lambda part: part.encode("unicode_escape").decode()))[1] == r"└─ evil\n\x1b[2J"


def test_a_deep_chain_neither_recurses_nor_grows_without_end() -> None:
    chain = [spanned(str(depth), str(depth - 1) if depth else None) for depth in range(20_000)]
    lines = drawn(*chain)
    assert len(lines) == 20_001
    assert max(len(line) for line in lines) < 200
    assert lines[-1].endswith("[depth 20000] step")
    assert len(drawn(*reversed(chain))) == 20_001


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.sampled_from("abcdefz")), max_size=10))
def test_every_event_is_drawn_once(edges: list[tuple[str, str | None]]) -> None:
    events = [spanned(span, parent, f"e{place}") for place, (span, parent) in enumerate(edges)]
    nodes = [node for _, _, node in tree.walk(tree.build(events))]
    seen = [node.event for node in nodes if node.event is not None]
    assert sorted(found.type for found in seen) == sorted(made.type for made in events)
