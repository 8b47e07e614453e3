"""Sentences on a terminal: they go on below, and nothing of them is lost."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from nhictl.render.escape import terminal as visible
from nhictl.render.lines import Line, paint

SENTENCE = "token abc of \u202eplanner was used 119 s after it was revoked, by 日本語 and others \x1b[2J"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("width", [10, 24, 40, 79, 200])
def test_a_sentence_goes_on_below_and_loses_nothing(width: int) -> None:
    line = Line(SENTENCE, guide="  ", style="red", whole=True)
    shown = paint(line, terminal=True, color=False, width=width).split("\n")
    assert " ".join(piece.strip() for piece in shown) == visible(SENTENCE)
    assert all(piece.startswith("    " if number else "  ") for number, piece in enumerate(shown))
    assert all(cell_len(piece) <= max(width, 24) or " " not in piece.strip() for piece in shown)
    coloured = paint(line, terminal=True, color=True, width=width).split("\n")
    assert [COLOURS.sub("", piece) for piece in coloured] == shown
    assert all(piece.endswith("\x1b[0m") for piece in coloured)  # no colour runs on
    assert paint(line, terminal=False, color=False, width=width) == "  " + visible(SENTENCE)


def test_words_are_not_torn_and_blanks_stay() -> None:
    line = Line("a  b spiffe://example.org/agent/planner-of-everything c", whole=True)
    shown = paint(line, terminal=True, color=False, width=20).split("\n")
    assert shown == ["a  b", "  spiffe://example.org/agent/planner-of-everything", "  c"]


def test_what_is_no_sentence_is_cut() -> None:
    assert paint(Line("a row of a table that is long"), terminal=True, color=False, width=12) == "a row of a …"
