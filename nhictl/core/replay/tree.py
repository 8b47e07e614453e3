"""The causal tree: principal and agent → task → token → what it was used for; of an imported run, run → message → call.

A parent that the events do not hold is drawn as a `?` node. Built and walked with loops alone: a foreign log decides
how deep it nests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nhictl.core.replay.timeline import gist, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nhictl.core.replay.event import Event

_ISSUES = frozenset({"token.issued", "token.delegated", "token.exchanged"})
_DRAWN_DEPTH = 48
"""Deeper nodes are drawn at this depth with their own as a number: lines must not grow without end."""


class Node:
    """A line of the tree: raw label parts, its event (None for a group or a `?` node), children in order."""

    __slots__ = ("children", "event", "label")

    def __init__(self, label: tuple[str, ...], event: Event | None = None) -> None:
        self.label = label
        self.event = event
        self.children: list[Node] = []


def build(events: Iterable[Event], *, width: int = 60) -> list[Node]:
    """Return the roots: those of our own records first, then one for each imported run, in order of appearance."""
    own = _OwnTree(width)
    runs: dict[str | None, list[Event]] = {}
    for event in events:
        if event.seq is not None:
            own.add(event)
        else:
            runs.setdefault(event.run, []).append(event)
    return own.roots + [_run_tree(run, found, width) for run, found in runs.items()]


def label(event: Event, width: int) -> tuple[str, ...]:
    """The parts of an event's line: time to the second, what, on what, how it ended, what it said, and why."""
    named = f"#{event.n} {event.tool or '?'}" if event.n is not None else event.type
    tool = event.tool if event.n is None else None
    time = None if event.time is None else event.time[:19] + "Z"
    parts = (time, named, tool, event.outcome, gist(event, width), reason(event, width))
    return tuple(part for part in parts if part is not None)


class _OwnTree:
    """Nodes made when they are first spoken of; one that is used before its own record is a `?` node."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.roots: list[Node] = []
        self.agents: dict[tuple[str | None, str | None], Node] = {}
        self.tasks: dict[str, Node] = {}
        self.tokens: dict[str, Node] = {}
        self.delegations: dict[str, Node] = {}

    def add(self, event: Event) -> None:
        if event.type == "task.opened" and event.task is not None and event.task not in self.tasks:
            self._adopt(self.tasks, event.task, event, self._agent(event), ("task", event.task))
        elif event.type in _ISSUES and event.jti is not None and event.jti not in self.tokens:
            where = self._granted(event)
            node = self._adopt(self.tokens, event.jti, event, where, ("token", event.jti, event.agent or ""))
            if event.delegation is not None:
                self.delegations.setdefault(event.delegation, node)
        else:
            self._holder(event).children.append(Node(label(event, self.width), event))

    def _adopt(self, kind: dict[str, Node], key: str, event: Event, where: Node, names: tuple[str, ...]) -> Node:
        node = Node((*(name for name in names if name), *label(event, self.width)), event)
        where.children.append(node)
        kind[key] = node
        return node

    def _holder(self, event: Event) -> Node:
        """The node an act belongs under: its token, else its task, else its agent."""
        if event.jti is not None:
            return self._token(event, event.jti)
        return self._task(event)

    def _token(self, event: Event, jti: str) -> Node:
        if jti not in self.tokens:
            self.tokens[jti] = node = Node(("?", "token", jti))
            self._task(event).children.append(node)
        return self.tokens[jti]

    def _task(self, event: Event) -> Node:
        if event.task is None:
            return self._agent(event)
        if event.task not in self.tasks:
            self.tasks[event.task] = node = Node(("?", "task", event.task))
            self._agent(event).children.append(node)
        return self.tasks[event.task]

    def _granted(self, event: Event) -> Node:
        """Where a new token hangs: under the token it was delegated from, else under its task."""
        parent = event.parent_delegation
        if parent is None:
            return self._task(event)
        if parent in self.tokens:  # our own records link a token to a token
            return self.tokens[parent]
        if parent not in self.delegations:
            self.delegations[parent] = node = Node(("?", "delegation", parent))
            self._task(event).children.append(node)
        return self.delegations[parent]

    def _agent(self, event: Event) -> Node:
        principal = event.principal if isinstance(event.principal, str) else None
        if event.agent is None and principal is None:
            key: tuple[str | None, str | None] = (None, None)
            names: tuple[str, ...] = ("authority",)
        else:
            key = (principal, event.agent)
            names = (*(("principal", principal) if principal else ()), "agent", event.agent or "?")
        if key not in self.agents:
            self.agents[key] = Node(names)
            self.roots.append(self.agents[key])
        return self.agents[key]


def _run_tree(run: str | None, events: list[Event], width: int) -> Node:
    """One run by its spans. Without a parent an event hangs under its run, a result whose call is unknown under `?`."""
    root = Node(("run", run if run is not None else "?"))
    found: list[tuple[Event, Node]] = []
    spans: dict[str, Node] = {}
    for event in events:
        node = Node(label(event, width), event)
        if event.type == "run" and root.event is None:
            root.event, node = event, root
            root.label += tuple(name for name in (event.agent, event.task) if name)
        else:
            found.append((event, node))
        if event.span is not None:
            spans.setdefault(event.span, node)
    above = {id(node): spans[event.parent] for event, node in found if event.parent in spans}
    _break_circles([node for _, node in found], above)
    unknown: dict[str | None, Node] = {}
    for event, node in found:
        parent = above.get(id(node))
        if parent is None and (event.parent is not None or event.type == "tool.returned"):
            parent = unknown.get(event.parent)
            if parent is None:
                unknown[event.parent] = parent = Node(("?", event.parent) if event.parent is not None else ("?",))
                root.children.append(parent)
        (parent or root).children.append(node)
    return root


def _break_circles(nodes: list[Node], above: dict[int, Node]) -> None:
    """Take its parent from the first node of each circle, in one pass over all of them."""
    order = {id(node): place for place, node in enumerate(nodes)}
    done: set[int] = set()
    for node in nodes:
        path: dict[int, None] = {}
        at: Node | None = node
        while at is not None and id(at) not in done and id(at) not in path:
            path[id(at)] = None
            at = above.get(id(at))
        if at is not None and id(at) in path:
            steps = list(path)
            del above[min(steps[steps.index(id(at)) :], key=order.__getitem__)]
        done.update(path)


def walk(nodes: list[Node]) -> Iterator[tuple[int, bool, Node]]:
    """Every node in drawing order, with its depth from 0 and whether it is the last of its parent's children."""
    stack = [(0, place == len(nodes) - 1, node) for place, node in reversed(list(enumerate(nodes)))]
    while stack:
        depth, last, node = stack.pop()
        yield depth, last, node
        count = len(node.children)
        stack.extend(
            (depth + 1, place == count - 1, child) for place, child in reversed(list(enumerate(node.children)))
        )


def tree_lines(nodes: list[Node], escape: Callable[[str], str] = str) -> Iterator[str]:
    """Draw the tree with ├─ and └─, roots at the margin. `escape` makes label parts safe for where they go."""
    ended: list[bool] = []
    for depth, last, node in walk(nodes):
        del ended[depth:]
        ended.append(last)
        text = " ".join(escape(part) for part in node.label)
        if depth == 0:
            yield text
            continue
        bars = "".join("   " if done else "│  " for done in ended[1 : min(depth, _DRAWN_DEPTH)])
        deep = f"[depth {depth}] " if depth > _DRAWN_DEPTH else ""
        yield f"{bars}{'└─ ' if last else '├─ '}{deep}{text}"
