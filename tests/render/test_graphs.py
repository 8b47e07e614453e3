"""Mermaid and DOT of the tree: whatever a log says stands inside a label and stays there."""

from __future__ import annotations

import re
import shutil
import subprocess
import unicodedata
from xml.etree import ElementTree as ET

import pytest

from nhictl.core.replay.page import leaves
from nhictl.render.dot import digraph, quoted
from nhictl.render.mermaid import flowchart, label
from tests.render.pages import ATTACKS, TEXTS, event, hostile, ordinary

DOT = shutil.which("dot")
MERMAID_LINES = (
    r"flowchart LR",
    r"  n\d+\[\"(?:[^\W_]| |#\d+;|<br/>)*\"\](?::::\w+)?",
    r"  n\d+ --> n\d+",
    r"  more\[\"and \d+ more, not drawn\"\]",
    r"  classDef \w+ [#\w:,]+",
)


def raw(text: str) -> list[str]:
    return [c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c != "\n"]


def dot_labels(source: str) -> list[str]:
    """The labels as Graphviz's own grammar reads them: a quoted string ends at the first quote without a backslash."""
    found, at = [], 0
    while (at := source.find('label="', at)) >= 0:
        at = end = at + len('label="')
        while source[end] != '"':
            end += 2 if source[end] == "\\" else 1
        assert source[end + 1] in "],", source[end : end + 20]
        found.append(source[at:end])
        at = end
    return found


@pytest.mark.parametrize("text", TEXTS)
def test_mermaid_has_no_line_that_a_log_could_write(text: str) -> None:
    source = flowchart(hostile(text).tree)
    for line in source.rstrip("\n").split("\n"):
        assert any(re.fullmatch(known, line) for known in MERMAID_LINES), line
    assert raw(source) == []


def test_a_mermaid_label_says_what_the_log_says() -> None:
    for text in ATTACKS:
        said = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), label(text))
        assert said.replace("\u200b", "") == text
    assert "$$" not in re.sub(r"#(\d+);", lambda found: chr(int(found[1])), label("$$$$$x$$"))


@pytest.mark.parametrize("text", TEXTS)
def test_dot_has_no_statement_that_a_log_could_write(text: str) -> None:
    source = digraph(hostile(text).tree)
    inside = dot_labels(source)
    outside = source
    for one in inside:
        outside = outside.replace(f'label="{one}"', "label=X")
    kept = r"digraph replay {|}|  (graph|node|edge) \[.*\];|  n\d+ -> n\d+;"
    kept += r"|  n\d+ \[label=X(, fillcolor=\"#\w+\", color=\"#\w+\")?\];"
    assert all(re.fullmatch(kept, line) for line in outside.rstrip("\n").split("\n")), outside
    # Of Graphviz's own escapes only ours, which end a line, are left; every other backslash is doubled.
    for one in inside:
        assert set(re.findall(r"\\(.)", one)) <= {"\\", '"', "l"}
        assert not re.search(r"&(?!amp;|lt;|gt;)", one)
    assert raw(source) == []


@pytest.mark.skipif(DOT is None, reason="no Graphviz here")
def test_graphviz_draws_every_attack_as_text() -> None:
    assert DOT is not None
    text = " ".join(ATTACKS)
    lines = "".join(f'  n{at} [label="{quoted(one)}"];\n' for at, one in enumerate(ATTACKS))
    done = subprocess.run([DOT, "-Tsvg"], input=f"digraph x {{\n{lines}}}\n".encode(), capture_output=True, check=True)
    assert done.stderr == b""
    drawn = ["".join(one.itertext()) for one in ET.fromstring(done.stdout).iter("{http://www.w3.org/2000/svg}text")]
    # A backslash of ours doubled is one; blanks at line ends do not show.
    assert [one.replace("\xa0", " ") for one in drawn] == ATTACKS
    whole = subprocess.run([DOT, "-Tsvg"], input=digraph(hostile(text).tree).encode(), capture_output=True, check=True)
    tags = {one.tag.rpartition("}")[2] for one in ET.fromstring(whole.stdout).iter()}
    assert tags <= {"svg", "g", "title", "polygon", "path", "text"}


def test_edges_are_the_tree() -> None:
    story = [
        event("run", run="r", agent="a", span="r", evidence="imported"),
        event("message.user", run="r", span="m", parent="r", evidence="imported"),
        event("tool.called", n=0, run="r", span="c", parent="m", tool="t", outcome="ok", evidence="imported"),
    ]
    for source, arrow in ((flowchart(leaves(story)), "-->"), (digraph(leaves(story)), "->")):
        assert re.findall(rf"n(\d) {arrow} n(\d)", source) == [("0", "1"), ("1", "2")]


def test_a_large_tree_is_cut_where_it_says_so() -> None:
    story = [event("tool.called", n=i, seq=i, jti="j", agent="a", tool="t", outcome="ok") for i in range(3000)]
    for source in (flowchart(leaves(story)), digraph(leaves(story))):
        drawn = len(set(re.findall(r"^  n(\d+) ?\[", source, re.MULTILINE)))
        (left,) = re.findall(r"and (\d+) more, not drawn", source)
        assert drawn + int(left) == sum(1 for _ in leaves(story))
    assert len(flowchart(leaves(story))) < 50_000


def test_kinds_have_their_colours() -> None:
    assert ":::denied" in flowchart(ordinary().tree)
    assert "classDef denied" in flowchart(ordinary().tree)
    assert "#fce8e6" in digraph(ordinary().tree)
