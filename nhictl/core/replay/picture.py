"""The timeline as a picture: lanes of marks on one scale, from 0 to 1,000, whoever draws it.

Where times are known and nearly complete the scale is time, with long silences cut short and named; else it is the order
of the evidence. Marks that would lie on one another are one mark with its counts.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from nhictl.core.replay.kinds import KINDS, kind
from nhictl.core.replay.select import instant_us

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nhictl.core.replay.event import Event

SCALE: Final = 1000
BINS: Final = 200
LANES: Final = 12
_BREAK: Final = 30
"""Width of a silence that was cut short."""
_BREAKS: Final = 6
_Key = tuple[str | None, str | None]
_REST: Final[_Key] = ("", "rest")
_LONG: Final = 12
"""A silence is long if it takes more than one part in so many of the whole."""


class Mark(NamedTuple):
    """Where, how many events by kind (worst first), and the place of the first in the story."""

    x: int
    counts: tuple[tuple[str, int], ...]
    first: int


class Lane(NamedTuple):
    """One run and agent (both None: the authority, unless it is the `rest`), how many events, and its marks in order."""

    run: str | None
    agent: str | None
    events: int
    marks: list[Mark]
    rest: bool = False


class Picture(NamedTuple):
    """Lanes in order of appearance; `ticks` as (x, microseconds) and `breaks` as (x, seconds left out), by time only.

    `merged` lanes beyond `LANES` stand in the last one together.
    """

    lanes: list[Lane]
    by_time: bool
    ticks: list[tuple[int, int]]
    breaks: list[tuple[int, int]]
    merged: int
    timed: int


def picture(events: Sequence[Event]) -> Picture:
    """The picture of a story; it is by time if at least nine events in ten have one."""
    times = [instant_us(event.time) for event in events]
    known = sorted({at for at in times if at is not None})
    timed = sum(at is not None for at in times)
    by_time = len(known) > 1 and timed * 10 >= len(events) * 9
    axis = _Axis(known) if by_time else None
    keys = _keys(events)
    kept, merged = _lanes(events, keys)
    found: dict[_Key, dict[int, _Bin]] = {key: {} for key in kept}
    last = 0
    for place, event in enumerate(events):
        if axis is None:
            last = SCALE * place // max(1, len(events) - 1)
        elif (at := times[place]) is not None:
            last = axis.place(at)
        key = keys[place]
        lane = found.setdefault(key if key in found else _REST, {})
        lane.setdefault(last * BINS // (SCALE + 1), _Bin(last, place)).add(kind(event))
    lanes = [
        Lane(
            key[0],
            key[1],
            sum(made.events() for made in bins.values()),
            [bins[at].mark() for at in sorted(bins)],
            key is _REST,
        )
        for key, bins in found.items()
    ]
    return Picture(lanes, by_time, axis.ticks() if axis else [], axis.breaks if axis else [], merged, timed)


class _Bin:
    def __init__(self, x: int, first: int) -> None:
        self.x = x
        self.first = first
        self.counts: dict[str, int] = {}

    def add(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def events(self) -> int:
        return sum(self.counts.values())

    def mark(self) -> Mark:
        return Mark(self.x, tuple((name, self.counts[name]) for name in KINDS if name in self.counts), self.first)


def _keys(events: Sequence[Event]) -> list[_Key]:
    """The lane of each event: by run and agent; what names no agent stands with the first that its run has."""
    first: dict[str | None, str | None] = {}
    for event in events:
        if event.agent is not None:
            first.setdefault(event.run, event.agent)
    return [(None, None) if e.run is None else (e.run, e.agent or first.get(e.run)) for e in events]


def _lanes(events: Sequence[Event], keys: Sequence[_Key]) -> tuple[list[_Key], int]:
    """The lanes that are drawn, in order of appearance: those with most calls; and how many share the rest."""
    counts: dict[_Key, int] = {}
    for event, key in zip(events, keys, strict=True):
        counts[key] = counts.get(key, 0) + (1_000_000 if event.n is not None else 1)
    if len(counts) <= LANES:
        return list(counts), 0
    order = {key: place for place, key in enumerate(counts)}
    most = sorted(counts, key=lambda key: (-counts[key], order[key]))[: LANES - 1]
    return sorted(most, key=order.__getitem__), len(counts) - len(most)


class _Axis:
    """Piecewise linear from times to 0…SCALE; `known` are distinct times in order, two at least."""

    def __init__(self, known: list[int]) -> None:
        gaps = [(after - before, before) for before, after in itertools.pairwise(known)]
        limit = (known[-1] - known[0]) // _LONG
        long = sorted(sorted(gap for gap in gaps if gap[0] > limit)[-_BREAKS:], key=lambda gap: gap[1])
        silent = sum(gap[0] for gap in long)
        # Two events with nothing between them are no silence: there is nothing else to give the room to.
        if silent == known[-1] - known[0]:
            long, silent = [], 0
        scale = (SCALE - _BREAK * len(long)) / (known[-1] - known[0] - silent)
        self.breaks: list[tuple[int, int]] = []
        self.from_us, self.from_x, self.slope = [known[0]], [0.0], [scale]
        for gap, start in long:
            x = self._at(start)
            self.breaks.append((round(x + _BREAK / 2), gap // 1_000_000))
            self.from_us += [start, start + gap]
            self.from_x += [x, x + _BREAK]
            self.slope += [_BREAK / gap, scale]
        self.end = known[-1]

    def _at(self, at_us: int) -> float:
        piece = bisect_right(self.from_us, at_us) - 1
        return self.from_x[piece] + (at_us - self.from_us[piece]) * self.slope[piece]

    def place(self, at_us: int) -> int:
        return min(SCALE, max(0, round(self._at(at_us))))

    def ticks(self) -> list[tuple[int, int]]:
        """First and last moment, and where each silence ends."""
        starts = [(round(x), at) for x, at in zip(self.from_x[2::2], self.from_us[2::2], strict=True)]
        kept: list[tuple[int, int]] = [(0, self.from_us[0])]
        for x, at in starts:
            if x - kept[-1][0] > SCALE // 6 and SCALE - x > SCALE // 6:
                kept.append((x, at))
        return [*kept, (SCALE, self.end)]
