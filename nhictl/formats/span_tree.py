"""Spans of traces, which name their parents and come children first: who was the agent of each, found from above."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nhictl.core.replay.event import Event

_HELD: Final = 65536


class SpanTree:
    """Events by trace and span. An event gets the agent of the nearest span above that names one, if that is held."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[Event, str | None, str | None]] = {}
        self._children: dict[tuple[str, str], list[tuple[str, str]]] = {}

    def add(self, event: Event, trace: str, span: str, parent: str | None, *, agent: str | None) -> None:
        """Take a span; `agent` is the name it gives itself."""
        key = (trace, span)
        self._known[key] = (event, parent, agent)
        if parent is not None:
            self._children.setdefault((trace, parent), []).append(key)
        if agent is not None:
            event.agent = agent
        elif parent is not None and (held := self._known.get((trace, parent))) is not None:
            event.agent = held[0].agent
        if event.agent is not None:
            for below in self.below(trace, span):
                if below.agent is None:
                    below.agent = event.agent
        while len(self._known) > _HELD:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._children.pop(oldest, None)

    def settle(self, trace: str, tell: Callable[[Event], None]) -> None:
        """Tell every held event of a trace something."""
        for (of, _), (event, _, _) in self._known.items():
            if of == trace:
                tell(event)

    def above(self, trace: str, parent: str | None, most: int) -> list[Event]:
        """Up to `most` held events above, nearest first."""
        found: list[Event] = []
        while parent is not None and len(found) < most and (held := self._known.get((trace, parent))) is not None:
            found.append(held[0])
            parent = held[1]
        return found

    def below(self, trace: str, span: str) -> Iterator[Event]:
        """The held events below, each once."""
        stack, seen = [(trace, span)], {(trace, span)}
        while stack:
            for child in self._children.get(stack.pop(), ()):
                if child not in seen and (held := self._known.get(child)) is not None:
                    seen.add(child)
                    stack.append(child)
                    yield held[0]

    def done(self) -> None:
        """Let everything go."""
        self._known.clear()
        self._children.clear()
