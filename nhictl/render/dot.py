"""A tree as a graph for Graphviz (graphviz.org/doc/info/lang.html)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nhictl.render.escape import terminal
from nhictl.render.graph import graph

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nhictl.core.replay.page import Leaf

NODES: Final = 2000
_COLORS: Final = {
    "denied": ("#fce8e6", "#b3261e"),
    "error": ("#fdeedd", "#a4520a"),
    "unknown": ("#fbf3cf", "#6b5b00"),
    "ends": ("#f2e6fb", "#7a2fb8"),
    "ok": ("#e2f3ea", "#1f7a4d"),
}


def digraph(nodes: Iterable[Leaf], *, most: int = NODES) -> str:
    """The graph, with a node for what it leaves out; ends with a newline."""
    found = graph(nodes, most)
    lines = [
        "digraph replay {",
        '  graph [rankdir=LR, charset="UTF-8", fontname="sans-serif"];',
        '  node [shape=box, style="rounded,filled", fillcolor="#ffffff", color="#5b6474", fontname="sans-serif", fontsize=10];',
        '  edge [color="#9aa4b5", arrowsize=0.7];',
    ]
    for vertex in found.vertices:
        words = "\\l".join(quoted(line) for line in vertex.lines)
        fill, line = _COLORS.get(vertex.kind, ("", ""))
        paint = f', fillcolor="{fill}", color="{line}"' if fill else ""
        lines.append(f'  n{vertex.number} [label="{words}\\l"{paint}];')
        if vertex.above is not None:
            lines.append(f"  n{vertex.above} -> n{vertex.number};")
    if not found.vertices:
        lines.append('  nothing [label="nothing to draw", style=dashed];')
    if found.left_out:
        lines.append(f'  more [label="and {found.left_out} more, not drawn", style=dashed];')
    lines.append("}")
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """Text inside a quoted label: backslashes (`\\N`, `\\l`), quotes and character references are only themselves."""
    shown = terminal(text)
    for mark, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\\", "\\\\"), ('"', '\\"')):
        shown = shown.replace(mark, written)
    return shown
