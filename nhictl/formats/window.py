"""Events on their way out: held for a while, so that a result finds its call and records come in order, then let go.

A call and its result are one event, and nobody knows how long a log is. So the last events are held, a bounded number
of them and of the bytes they were made from; what leaves is final. `n` is given on leaving, which is the order of
request. A result that comes later than that stands alone, and the reader says so.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from nhictl.core.replay.select import instant_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nhictl.core.replay.event import Event

EVENTS: Final = 8192
BYTES: Final = 16 << 20


class Window:
    """`by_time`: order by time (an event without one stays behind the one before it), else as they came.

    `bounded` says whether anything leaves before the end; `gone` is told of each event that leaves.
    """

    def __init__(self, *, by_time: bool, gone: Callable[[Event], None]) -> None:
        self.by_time = by_time
        self.bounded = True
        self.late = 0
        self._gone = gone
        self._queue: deque[tuple[int, int, Event, int]] = deque()
        self._heap: list[tuple[int, int, Event, int]] = []
        self._bytes = self._count = 0
        self._before = self._left = -(1 << 80)
        self._numbers: dict[str | None, int] = {}

    def add(self, event: Event, size: int) -> None:
        """Take an event that was made from `size` bytes."""
        self._count += 1
        self._bytes += size
        if not self.by_time:
            self._queue.append((0, self._count, event, size))
            return
        at = instant_us(event.time)
        if at is not None and event.time is not None:
            finer = event.time[26:29]  # traces say nanoseconds
            self._before = at * 1000 + (int(finer) if len(event.time) == 30 and finer.isdigit() else 0)
        heappush(self._heap, (self._before, self._count, event, size))

    def leaving(self) -> Iterator[Event]:
        """Events for which there is no room any more."""
        while self.bounded and (len(self._queue) + len(self._heap) > EVENTS or self._bytes > BYTES):
            if not self._queue and not self._heap:
                return
            yield self._leave()

    def rest(self) -> Iterator[Event]:
        """Everything that is left, at the end."""
        while self._queue or self._heap:
            yield self._leave()

    def _leave(self) -> Event:
        at, _, event, size = heappop(self._heap) if self.by_time else self._queue.popleft()
        self.late += at < self._left
        self._left = max(at, self._left)
        self._bytes -= size
        if event.type == "tool.called":
            event.n = self._numbers.get(event.run, 0)
            self._numbers[event.run] = event.n + 1
        self._gone(event)
        return event
