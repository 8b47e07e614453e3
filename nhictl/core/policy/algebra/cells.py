"""One fact against many boxes: what it can be while one side holds, and which of the other side's boxes that leaves.

A cell is a value with a mask: bit i is set where box i of the outside is still met, as far as this fact goes. Of two cells
only the one with fewer bits matters, so that few remain however many boxes there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.algebra.points import Point, holds, points

if TYPE_CHECKING:
    from nhictl.core.policy.algebra.budget import Budget
    from nhictl.core.policy.algebra.rooms import Room
    from nhictl.core.policy.condition import Condition

__all__ = ["ABSENT", "ODD", "OTHER", "SAME", "Cell", "cells", "same_cells"]

ABSENT: Any = type("Absent", (), {"__repr__": lambda _: "(absent)"})()
ODD: Any = type("Odd", (), {"__repr__": lambda _: "(comparable to nothing)"})()
SAME: Any = type("Same", (), {"__repr__": lambda _: "(the same)"})()
OTHER: Any = type("Other", (), {"__repr__": lambda _: "(another)"})()


class Cell:
    """A value of a fact, or `ABSENT`, `ODD`, `SAME`, `OTHER`; `sure` unless it may not exist."""

    __slots__ = ("mask", "sure", "value")

    def __init__(self, value: Any, mask: int, *, sure: bool = True) -> None:
        self.value = value
        self.mask = mask
        self.sure = sure


def cells(
    room: Room, inside: list[Condition], outside: dict[int, list[Condition]], full: int, budget: Budget, *, tied: bool = False
) -> list[Cell]:  # fmt: skip
    """The cells of one fact. `inside` has to hold; `outside` are conditions by the number of their box, `full` all boxes.

    A fact that is `tied` to others keeps cells that would not matter if it were free.
    """
    found: list[Cell] = []
    budget.spend(1 + len(outside))
    if all(c.op != "has" or c.operand for c in inside):
        tests = [c for c in inside if c.domain is not None]
        if room.scalar or room.many:
            found += _present(room, tests, outside, full, budget)
        if room.odd and not tests:
            found.append(Cell(ODD, _without(full, outside, lambda c: c.domain is None and bool(c.operand))))
    if room.absent and all(map(_absent, inside)):
        found.append(Cell(ABSENT, _without(full, outside, _absent)))
    return found if tied else _fewest(found)


def _absent(condition: Condition) -> bool:
    """Whether a condition is true of nothing."""
    return condition.operand is False if condition.op == "has" else condition.absent_ok


def _without(full: int, outside: dict[int, list[Condition]], met: Any) -> int:
    return full & ~sum(1 << box for box, conditions in outside.items() if not all(map(met, conditions)))


def _present(
    room: Room, tests: list[Condition], outside: dict[int, list[Condition]], full: int, budget: Budget
) -> list[Cell]:
    every = [c for conditions in outside.values() for c in conditions if c.domain is not None]
    found = []
    for point in points(room.kind, tests, every, budget):
        budget.spend(len(every))
        mask = _without(full, outside, lambda c, p=point: bool(c.operand) if c.domain is None else holds(c, p))
        found.append((point, mask))
    made = [Cell(point.value, mask, sure=point.sure) for point, mask in found] if room.scalar else []
    if room.many:
        for chosen in ([f for f in found if f[0].sure], found):
            made += _several(chosen)
    return made


def _several(found: list[tuple[Point, int]]) -> list[Cell]:
    """A list of values meets what all of them meet: the more, the less; one cell, with no value that adds nothing."""
    if not found:
        return []
    chosen: list[Point] = []
    mask = -1
    for point, one in found:
        if not chosen or mask & one != mask:
            chosen.append(point)
            mask &= one
    return [Cell([point.value for point in chosen], mask, sure=all(point.sure for point in chosen))]


def _fewest(found: list[Cell]) -> list[Cell]:
    """Without those whose mask holds all of another's; a sure one stands before one that is not."""
    kept: list[Cell] = []
    for cell in sorted(found, key=lambda c: (not c.sure, c.mask.bit_count())):
        if not any(other.mask & cell.mask == other.mask for other in kept):
            kept.append(cell)
    return kept


def same_cells(inside: list[Condition], outside: dict[int, list[Condition]], full: int) -> list[Cell]:
    """The cells of "this fact is the same as that": taken to be independent of what the two facts are."""
    if not inside:
        lone = Cell(ABSENT, _without(full, outside, lambda c: bool(c.absent_ok)))
        return [lone, Cell(OTHER, _without(full, outside, lambda _: False))]
    made = [Cell(SAME, full)]
    if all(c.absent_ok for c in inside):
        made.append(Cell(ABSENT, _without(full, outside, lambda c: bool(c.absent_ok))))
    return made
