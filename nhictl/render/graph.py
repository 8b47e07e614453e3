"""From a tree's lines to nodes and edges, for those who draw graphs: numbers, words, colours; no syntax yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nhictl.core.replay.page import Leaf


class Vertex(NamedTuple):
    """A node: number from 0, its parent's number (None: a root), its lines of raw text, and its kind."""

    number: int
    above: int | None
    lines: tuple[str, ...]
    kind: str


class Graph(NamedTuple):
    """The nodes that are drawn, parents before children, and how many were left out."""

    vertices: list[Vertex]
    left_out: int


def graph(nodes: Iterable[Leaf], most: int) -> Graph:
    """The first `most` nodes, depth first."""
    made: list[Vertex] = []
    path: list[tuple[int, int]] = []
    left_out = 0
    for node in nodes:
        if len(made) == most:
            left_out += 1
            continue
        while path and path[-1][0] >= node.depth:
            path.pop()
        made.append(Vertex(len(made), path[-1][1] if path else None, _lines(node), node.kind))
        path.append((node.depth, len(made) - 1))
    return Graph(made, left_out)


def _lines(node: Leaf) -> tuple[str, ...]:
    first = " ".join(node.names) if node.names else node.what or "?"
    second = [node.what] if node.names and node.what is not None else []
    second += [part for part in (node.outcome, node.reason) if part is not None]
    third = node.said[:60] + "…" if node.said is not None and len(node.said) > 60 else node.said
    return tuple(line for line in (first, " · ".join(second), third or "", (node.time or "")[:19]) if line)
