"""Trees as lines with guides, drawn without recursion, so that no depth of a foreign log can exhaust the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nhictl.render.lines import Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Node = tuple[int, str, str | None]

# Deeper nodes stand at this depth and say how much deeper they are: a chain of n nodes would else print n² guides.
MAX_GUIDES = 32


def draw(nodes: Iterable[Node]) -> Iterator[Line]:
    """Yield one line per node, in order; a node is its depth from 0, its text and its style or None.

    A node's parent is the nearest one before it of smaller depth, so gaps in the depths do no harm. All nodes are
    held, since only a later node tells whether a branch goes on; the lines are made one by one.
    """
    known = list(nodes)
    depths = _levels([depth for depth, _, _ in known])
    goes_on = _branches(depths)
    open_branches: list[bool] = []
    for (_, text, style), depth, more in zip(known, depths, goes_on, strict=True):
        del open_branches[depth:]
        yield Line(text, guide=_guide(open_branches, depth, more), style=style)
        open_branches.append(more)


def _guide(open_branches: list[bool], depth: int, more: bool) -> str:
    if depth == 0:
        return ""
    # Roots draw no branch of their own, hence from 1.
    above = "".join("│  " if branch else "   " for branch in open_branches[1 : min(depth, MAX_GUIDES)])
    beyond = f"(+{depth - MAX_GUIDES}) " if depth > MAX_GUIDES else ""
    return above + ("├─ " if more else "└─ ") + beyond


def _levels(depths: list[int]) -> list[int]:
    """Depths as given, with the gaps closed: each the number of its ancestors."""
    ancestors: list[int] = []
    levels = []
    for depth in depths:
        while ancestors and ancestors[-1] >= depth:
            ancestors.pop()
        levels.append(len(ancestors))
        ancestors.append(depth)
    return levels


def _branches(levels: list[int]) -> list[bool]:
    """For each node, whether a sibling follows it; read from the end, where that is known."""
    goes_on = [False] * len(levels)
    waiting: list[bool] = []
    for place in range(len(levels) - 1, -1, -1):
        level = levels[place]
        del waiting[level + 1 :]
        waiting.extend([False] * (level + 1 - len(waiting)))
        goes_on[place], waiting[level] = waiting[level], True
    return goes_on
