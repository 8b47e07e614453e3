"""Taking boxes away from a box, in a grid: what is left as boxes that do not overlap, or that nothing is left.

Boxes that differ from what is left in one fact alone are taken away at once. Of the others the one that offers the
fewest ways out is taken first; the search is exponential only where boxes overlap in many facts at once, and the budget
caps it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nhictl.core.policy.algebra.budget import UndecidedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nhictl.core.policy.algebra.budget import Budget
    from nhictl.core.policy.algebra.grid import Box

__all__ = ["Shelf", "intersect", "left_over"]

_FEW = 64
_NARROW = 64
MAX_DEPTH = 200
"""Boxes that are taken away one inside the other."""


def intersect(one: Box, other: Box) -> Box | None:
    """What lies in both; None for nothing."""
    made = dict(one)
    for axis, bits in other.items():
        made[axis] = made[axis] & bits if axis in made else bits
        if not made[axis]:
            return None
    return made


class Shelf:
    """Many boxes, found again by the values that they are narrow in."""

    __slots__ = ("_anywhere", "_at", "boxes", "full")

    def __init__(self, boxes: Sequence[Box], full: dict[str, int]) -> None:
        """`full` has all values of each fact."""
        self.boxes = boxes
        self.full = full
        self._at: dict[str, dict[int, int]] = {}
        self._anywhere: dict[str, int] = {}
        if len(boxes) > _FEW:
            self._index()

    def _index(self) -> None:
        every = (1 << len(self.boxes)) - 1
        for number, box in enumerate(self.boxes):
            for axis, bits in box.items():
                if bits.bit_count() <= _NARROW:
                    at = self._at.setdefault(axis, {})
                    self._anywhere[axis] = self._anywhere.get(axis, every) & ~(1 << number)
                    for place in _places(bits):
                        at[place] = at.get(place, 0) | 1 << number

    def near(self, box: Box, but: frozenset[int] = frozenset()) -> list[tuple[int, Box]]:
        """The boxes that overlap `box`, with their places, without those at the places `but`."""
        if not self._at:
            return [
                (n, other) for n, other in enumerate(self.boxes) if n not in but and intersect(box, other) is not None
            ]  # fmt: skip
        found = (1 << len(self.boxes)) - 1
        for axis, bits in box.items():
            if axis in self._at and bits.bit_count() <= _NARROW:
                here = self._anywhere[axis]
                for place in _places(bits):
                    here |= self._at[axis].get(place, 0)
                found &= here
        return [
            (n, self.boxes[n]) for n in _places(found) if n not in but and intersect(box, self.boxes[n]) is not None
        ]


def _places(bits: int) -> Iterator[int]:
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


def left_over(box: Box, taken: Sequence[Box], full: Mapping[str, int], budget: Budget, depth: int = 0) -> Iterator[Box]:
    """The parts of `box` that lie in none of `taken`, none overlapping another; `full` has all values of each fact.

    UndecidedError when the budget is used up.
    """
    left = dict(box)
    pending = list(taken)
    while True:
        budget.spend(1 + len(pending) // 4)
        narrowed = False
        several: list[tuple[int, Box]] = []
        for other in pending:
            ways, only = 0, ""
            for axis, bits in other.items():
                mine = left.get(axis, full[axis])
                if not mine & bits:
                    break
                if mine & ~bits:
                    ways, only = ways + 1, axis
            else:
                if ways == 0:
                    return
                if ways == 1:
                    left[only] = left.get(only, full[only]) & ~other[only]
                    narrowed = True
                else:
                    several.append((ways, other))
        pending = [other for _, other in several]
        if not pending:
            yield left
            return
        if not narrowed:
            break
    if depth >= MAX_DEPTH:
        raise UndecidedError(f"more than {MAX_DEPTH} boxes overlap in several facts")
    at = min(range(len(several)), key=lambda i: several[i][0])
    other = pending.pop(at)
    rest = left
    for axis, bits in other.items():
        mine = rest.get(axis, full[axis])
        if outside := mine & ~bits:
            yield from left_over({**rest, axis: outside}, pending, full, budget, depth + 1)
            rest = {**rest, axis: mine & bits}
