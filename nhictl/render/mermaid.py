"""A tree as a Mermaid flowchart (mermaid.js.org/syntax/flowchart.html), for whatever shows Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nhictl.render.escape import terminal
from nhictl.render.graph import graph

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nhictl.core.replay.page import Leaf

NODES: Final = 200
"""Mermaid draws 500 edges and 50,000 characters at most unless it is told otherwise."""

_CLASSES: Final = {
    "denied": "fill:#fce8e6,stroke:#b3261e,color:#5c120d",
    "error": "fill:#fdeedd,stroke:#a4520a,color:#4d2605",
    "unknown": "fill:#fbf3cf,stroke:#6b5b00,color:#3d3400",
    "ends": "fill:#f2e6fb,stroke:#7a2fb8,color:#3c165c",
    "ok": "fill:#e2f3ea,stroke:#1f7a4d,color:#0f3d27",
}


def flowchart(nodes: Iterable[Leaf], *, most: int = NODES) -> str:
    """The diagram, and a comment on what it leaves out; ends with a newline."""
    found = graph(nodes, most)
    lines = ["flowchart LR"]
    for vertex in found.vertices:
        words = "<br/>".join(label(line) for line in vertex.lines)
        style = f":::{vertex.kind}" if vertex.kind in _CLASSES else ""
        lines.append(f'  n{vertex.number}["{words}"]{style}')
        if vertex.above is not None:
            lines.append(f"  n{vertex.above} --> n{vertex.number}")
    if not found.vertices:
        lines.append('  nothing["nothing to draw"]')
    if found.left_out:
        lines.append(f'  more["and {found.left_out} more, not drawn"]')
    used = {vertex.kind for vertex in found.vertices}
    lines += [f"  classDef {name} {style}" for name, style in _CLASSES.items() if name in used]
    return "\n".join(lines) + "\n"


def label(text: str) -> str:
    """Text inside a quoted label: every mark but a blank is written as its number (`#46;`), so that none is syntax.

    Quotes, backticks, Markdown, `$$` formulas, icons (`fa:`), directives (`%%{`), HTML and bare links all need one.
    """
    written = "".join(
        character if character == " " or character.isalnum() else f"#{ord(character)};" for character in terminal(text)
    )
    # Numbers are read before formulas (`$$`) and icons (`fa:fa-x`) are looked for: a zero-width space keeps them apart.
    apart = written.replace("#36;#36;", "#36;#8203;#36;").replace("#36;#36;", "#36;#8203;#36;")
    return apart.replace("#58;fa#45;", "#58;#8203;fa#45;")
