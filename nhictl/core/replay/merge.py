"""Events of several sources as one sequence: by time where there is one, each source in its own order."""

from __future__ import annotations

import heapq
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from nhictl.core.replay.select import instant_us

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nhictl.core.replay.event import Event

_AHEAD: Final = 64
_NEVER: Final = -(1 << 62)


def merge(sources: Sequence[Iterable[Event]]) -> Iterator[Event]:
    """Every event, one source's never out of their order.

    An event without a time follows the one before it in its source; at a source's beginning it stands with the first time
    that is near. Sources without any time come first, one after the other. Runs are told apart: a name that another
    source has as well gets `#2` and so on, unless it is a trace, which may be spread over files; its calls are numbered
    on.
    """
    runs = _Runs()
    for _, source, event in heapq.merge(*(_keyed(place, events) for place, events in enumerate(sources)), key=_first):
        runs.settle(source, event)
        yield event


def _first(entry: tuple[int, int, Event]) -> int:
    return entry[0]


def _keyed(place: int, events: Iterable[Event]) -> Iterator[tuple[int, int, Event]]:
    source = iter(events)
    ahead = list(islice(source, 1))
    while ahead and instant_us(ahead[-1].time) is None and len(ahead) < _AHEAD:
        more = next(source, None)
        if more is None:
            break
        ahead.append(more)
    at = instant_us(ahead[-1].time) if ahead else None
    key = _NEVER if at is None else min(at, *(instant_us(event.time) or at for event in ahead))
    for event in chain(ahead, source):
        own = instant_us(event.time)
        key = key if own is None else max(key, own)
        yield key, place, event


class _Runs:
    def __init__(self) -> None:
        self._named: dict[tuple[int, str], str] = {}
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def settle(self, source: int, event: Event) -> None:
        run = event.run
        if run is None or event.seq is not None:
            return
        if event.trace == run:
            self._trace(run, event)
            return
        if (source, run) not in self._named:
            name, number = run, 1
            while name in self._taken:
                number += 1
                name = f"{run}#{number}"
            self._taken.add(name)
            self._named[source, run] = name
        event.run = self._named[source, run]

    def _trace(self, run: str, event: Event) -> None:
        if event.n is not None:
            event.n = self._next.get(run, 0)
            self._next[run] = event.n + 1
