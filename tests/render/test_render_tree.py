"""Trees: guides, gaps, depth without end, colour and width."""

from __future__ import annotations

import io

import pytest

from nhictl.render import Line, Result, emit
from nhictl.render.lines import fit
from nhictl.render.tree import MAX_GUIDES, Node, draw

NODES: list[Node] = [
    (0, "alice", "bold"),
    (1, "agent crm", None),
    (2, "token 1", None),
    (3, "read", "green"),
    (2, "token 2", None),
    (1, "agent pay", None),
    (2, "send", "red"),
    (0, "bob", None),
]
DRAWN = """\
alice
├─ agent crm
│  ├─ token 1
│  │  └─ read
│  └─ token 2
└─ agent pay
   └─ send
bob
"""


def printed(nodes: list[Node], *, terminal: bool = False, color: bool = False, width: int | None = None) -> str:
    stream = io.StringIO()
    emit(Result("s/v1", {}, text=draw(nodes)), None, stream, color=color, terminal=terminal, width=width)
    return stream.getvalue()


def depths(*given: int) -> list[Node]:
    return [(depth, str(depth), None) for depth in given]


def test_guides() -> None:
    assert printed(NODES) == DRAWN
    assert printed(NODES, terminal=True, width=80) == DRAWN


@pytest.mark.parametrize(
    ("nodes", "drawn"),
    [
        ([], ""),
        (depths(0), "0\n"),
        (depths(0, 5, 5, 1), "0\n├─ 5\n├─ 5\n└─ 1\n"),
        (depths(3, 2, 3), "3\n2\n└─ 3\n"),
        (depths(0, 1, 0, 1), "0\n└─ 1\n0\n└─ 1\n"),
        (depths(0, 1, 2, 3, 1), "0\n├─ 1\n│  └─ 2\n│     └─ 3\n└─ 1\n"),
        (depths(-1, 0), "-1\n└─ 0\n"),
    ],
)
def test_depths_that_jump_close_up(nodes: list[Node], drawn: str) -> None:
    assert printed(nodes) == drawn


def test_a_chain_of_any_depth_is_drawn_in_bounded_width() -> None:
    lines = printed([(depth, "x", None) for depth in range(20_000)]).splitlines()
    assert lines[MAX_GUIDES] == "   " * (MAX_GUIDES - 1) + "└─ x"
    assert lines[-1] == "   " * (MAX_GUIDES - 1) + f"└─ (+{19_999 - MAX_GUIDES}) x"


def test_colour_on_a_terminal_only() -> None:
    colored = printed(NODES[:1] + NODES[6:7], terminal=True, color=True, width=80)
    assert colored == "\x1b[1malice\x1b[0m\n\x1b[2m└─ \x1b[0m\x1b[31msend\x1b[0m\n"
    assert printed(NODES, terminal=False, color=True) == DRAWN
    assert printed(NODES, terminal=True, color=False) == DRAWN


def test_lines_are_cut_on_a_terminal_and_whole_in_a_pipe() -> None:
    nodes: list[Node] = [(0, "r", None), (1, "日本日本日本", None), (1, "exactly 10", None)]
    assert printed(nodes, terminal=True, width=10) == "r\n├─ 日本日…\n└─ exactl…\n"
    assert printed(nodes, terminal=True, width=13) == "r\n├─ 日本日本…\n└─ exactly 10\n"
    assert printed(nodes, terminal=True) == printed(nodes, width=10) == "r\n├─ 日本日本日本\n└─ exactly 10\n"


def test_a_cut_never_splits_the_colour_of_guide_and_text() -> None:
    colored = printed([(0, "r", None), (1, "abcdef", "red")], terminal=True, color=True, width=5)
    assert colored == "r\n\x1b[2m└─ \x1b[0m\x1b[31ma…\x1b[0m\n"


def test_a_string_line_is_left_to_the_terminal_to_wrap() -> None:
    stream = io.StringIO()
    text: list[str | Line] = ["x" * 50, Line("y" * 50)]
    emit(Result("s/v1", {}, text=text), None, stream, color=False, terminal=True, width=40)
    assert stream.getvalue() == "x" * 50 + "\n" + "y" * 39 + "…\n"


@pytest.mark.parametrize(
    ("text", "width", "fitted"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("日本", 4, "日本"), ("日本", 3, "日…"), ("日本", 1, "…"), ("ab", 0, "…")],
)
def test_fit(text: str, width: int, fitted: str) -> None:
    assert fit(text, width) == fitted


def test_combining_marks_take_no_column() -> None:
    assert fit("e\u0301" * 4, 4) == "e\u0301" * 4
