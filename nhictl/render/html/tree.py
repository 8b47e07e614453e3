"""The causal tree as nested `<details>`, made with a loop: a foreign log decides how deep it nests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nhictl.render.html.text import clock, count, outcome, span, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nhictl.core.replay.page import Leaf

NODES = 2000
DEPTH = 24
"""Deeper nodes stand at this depth and say how much deeper they are."""
OPEN_DEPTH = 4


def drawing(nodes: Iterable[Leaf], *, day: bool = True, most: int = NODES) -> tuple[str, int]:
    """The tree, and how many nodes were left out; `day` says whether times need their date."""
    made: list[str] = []
    opened: list[int] = []
    shown = left_out = 0
    for node in nodes:
        if shown == most:
            left_out += 1
            continue
        shown += 1
        depth = min(node.depth, DEPTH)
        while opened and opened[-1] >= depth:
            opened.pop()
            made.append("</div></details>")
        if node.has_children and node.depth < DEPTH:
            opened.append(depth)
            state = " open" if node.depth < OPEN_DEPTH else ""
            made.append(f"<details{state}><summary>{_label(node, day=day)}</summary><div>")
        else:
            made.append(f'<div class="leaf">{_label(node, day=day)}</div>')
    made.append("</div></details>" * len(opened))
    return "".join(made), left_out


def _label(node: Leaf, *, day: bool) -> str:
    parts = [clock(node.time, day=day)] if node.time is not None else []
    if node.depth > DEPTH:
        parts.append(f'<span class="deep">+{node.depth - DEPTH}</span>')
    if node.names:
        noun, *rest = node.names
        told = f'<span class="noun">{text(noun)}</span>' if rest else f"<b>{text(noun)}</b>"
        parts.append(" ".join([told, *(f"<b>{text(name)}</b>" for name in rest)]))
    if node.what is not None:
        parts.append(span("what", node.what) if node.names else f"<b>{text(node.what)}</b>")
    parts.append(outcome(node.kind, node.outcome))
    if node.said:
        parts.append(f"<code>{text(node.said)}</code>")
    parts.append(span("why", node.reason))
    return " ".join(part for part in parts if part)


def more(left_out: int) -> str:
    """What a page says about nodes that it does not show."""
    if not left_out:
        return ""
    return (
        f'<p class="hint">{count(left_out, "node")} more are not shown here. Narrow it with --task, --since or --until,'
        " or see all: <code>nhictl audit replay … --view tree</code></p>"
    )
