"""Unions of boxes as sets: intersection and difference as values, and the questions that can be asked about them.

A region is what all boxes on its inside cover and none on its outside does. Regions are kept as they were made, so
taking sets apart costs nothing until it is asked whether anything is left; the sizes of unions are capped.

Cost of a question: for each region and each tool it names, the conditions outside times the values that stand for their
facts, and the search over them; `MAX_STEPS` of it, then the answer is "undecided".
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from nhictl.core.policy.algebra.budget import MAX_STEPS, Budget, UndecidedError
from nhictl.core.policy.algebra.cover import escape
from nhictl.core.policy.algebra.tools import tools
from nhictl.core.policy.resource import under
from nhictl.core.policy.scope import scope_verdict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from nhictl.core.policy.algebra.call import Call
    from nhictl.core.policy.box_value import Box
    from nhictl.core.policy.compiled import Policy

__all__ = [
    "MAX_REGIONS",
    "Answer",
    "Region",
    "difference",
    "equivalent",
    "intersection",
    "is_empty",
    "subset",
    "union",
]

MAX_REGIONS = 4096
"""Regions that a set may come to; more raises UndecidedError."""


class Region:
    """What every box of `inside` covers and no box of `outside` does."""

    __slots__ = ("inside", "outside")

    def __init__(self, inside: tuple[Box, ...], outside: tuple[Box, ...] = ()) -> None:
        self.inside = inside
        self.outside = outside

    def contains(self, policy: Policy | None, tool: str, args: dict[str, Any], resource: str | None = None) -> bool:
        """Whether a call lies in it, by the evaluator of calls."""
        if not all(scope_verdict((box,), policy, tool, args, resource).covered for box in self.inside):
            return False
        return not scope_verdict(self.outside, policy, tool, args, resource).covered


Set = tuple[Region, ...]


class Answer:
    """`holds` is True or False for certain, None for undecided; `witness` is the call that shows a False, `why` says more.

    `exceeded` numbers the region the witness lies in, in the order of the set asked about; `steps` is what it cost.
    """

    __slots__ = ("exceeded", "holds", "steps", "why", "witness")

    def __init__(
        self, holds: bool | None, *, witness: Call | None = None, exceeded: int | None = None, why: str = "", steps: int = 0
    ) -> None:  # fmt: skip
        self.holds = holds
        self.witness = witness
        self.exceeded = exceeded
        self.why = why
        self.steps = steps

    def __repr__(self) -> str:
        return f"Answer({self.holds!r}, {self.witness!r}, {self.why!r})"


def union(boxes: Iterable[Box]) -> Set:
    """The set of a scope."""
    return tuple(Region((box,)) for box in boxes)


def _capped(regions: list[Region]) -> Set:
    if len(regions) > MAX_REGIONS:
        raise UndecidedError(f"more than {MAX_REGIONS} regions")
    return tuple(regions)


def intersection(one: Set, other: Set) -> Set:
    """What lies in both; UndecidedError over the cap."""
    if len(one) * len(other) > MAX_REGIONS:
        raise UndecidedError(f"more than {MAX_REGIONS} regions")
    return _capped([_joined(a, b) for a, b in product(one, other)])


def difference(one: Set, other: Set) -> Set:
    """What lies in the first and not in the second; UndecidedError over the cap.

    A region with an outside of its own, taken away, leaves what lies outside its inside, and what lies in its outside.
    """
    plain = tuple(region.inside[0] for region in other if len(region.inside) == 1 and not region.outside)
    left = [Region(region.inside, region.outside + plain) for region in one]
    for taken in other:
        if len(taken.inside) == 1 and not taken.outside:
            continue
        pieces = [Region((), (box,)) for box in taken.inside] + [Region((box,)) for box in taken.outside]
        if len(left) * len(pieces) > MAX_REGIONS:
            raise UndecidedError(f"more than {MAX_REGIONS} regions")
        left = [_joined(region, piece) for region in left for piece in pieces]
    return _capped(left)


def _joined(one: Region, other: Region) -> Region:
    return Region(
        tuple(dict.fromkeys(one.inside + other.inside)), tuple(dict.fromkeys(one.outside + other.outside))
    )  # fmt: skip


def is_empty(regions: Set, policy: Policy | None = None, most: int = MAX_STEPS) -> Answer:
    """Whether no call lies in any of the regions; if one does, it is the witness.

    What is found is certain even where other regions stay undecided. Boxes with something this version does not know are
    never proven to lie anywhere.
    """
    budget, doubts = Budget(most), []
    for number, region in enumerate(regions):
        try:
            call = _inhabitant(region, policy, budget)
        except UndecidedError as e:
            doubts.append(str(e))
            if budget.left < 0:
                break
            continue
        if call is not None:
            return Answer(False, witness=call, exceeded=number, steps=budget.spent)
    if doubts:
        return Answer(None, why=doubts[0], steps=budget.spent)
    return Answer(True, steps=budget.spent)


def _inhabitant(region: Region, policy: Policy | None, budget: Budget) -> Call | None:
    if strange := sorted({name for box in region.inside for name in box.unknown}):
        raise UndecidedError(f"not known to this version: {', '.join(strange)}")
    outside = tuple(box for box in region.outside if not box.unknown)
    budget.spend(len(outside))
    if any(_plainly_inside(box, other) for box in region.inside for other in outside):
        return None
    doubt: UndecidedError | None = None
    for name, tool, others in tools(region.inside, outside, policy, budget):
        try:
            call = escape(region.inside, others, name, tool, policy, budget)
        except UndecidedError as e:
            if budget.left < 0:
                raise
            doubt = e
            continue
        if call is not None:
            return call
    if doubt is not None:
        raise doubt
    return None


def _plainly_inside(box: Box, other: Box) -> bool:
    """Whether every condition of `other` stands in `box` word for word; needs no types and no search."""
    if not set(box.tools) <= set(other.tools) or not set(map(repr, other.clauses)) <= set(map(repr, box.clauses)):
        return False
    if other.resource is None:
        return True
    return box.resource is not None and under(box.resource, other.resource)


def subset(one: Set, other: Set, policy: Policy | None = None, most: int = MAX_STEPS) -> Answer:
    """Whether every call in the first lies in the second; else the witness is one that does not.

    `exceeded` numbers the region of the first that the witness lies in, where neither side was made by taking away.
    """
    try:
        left = difference(one, other)
    except UndecidedError as e:
        return Answer(None, why=str(e))
    return is_empty(left, policy, most)


def equivalent(one: Set, other: Set, policy: Policy | None = None, most: int = MAX_STEPS) -> Answer:
    """Whether both hold the same calls; else the witness lies in exactly one."""
    there = subset(one, other, policy, most)
    if there.holds is False:
        return there
    back = subset(other, one, policy, most)
    return back if back.holds is False or there.holds is True else there
