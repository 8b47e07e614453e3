"""Whether some call is met by all boxes of one side and by none of the other, for one tool: a witness, or a proof.

Each fact offers cells; a choice of one cell a fact escapes the outside when the masks have no bit in common. The search
takes the box with the fewest ways out first. It is exponential only where boxes overlap in many facts at once, and the
budget caps it.
"""

from __future__ import annotations

from itertools import islice, product
from typing import TYPE_CHECKING, Any

from nhictl.core.policy.algebra.budget import UndecidedError
from nhictl.core.policy.algebra.call import Call, invalid_call, make
from nhictl.core.policy.algebra.cells import Cell, cells, same_cells
from nhictl.core.policy.algebra.rooms import Shape, bind, clauses_of, shapes
from nhictl.core.policy.scope import scope_verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nhictl.core.policy.algebra.budget import Budget
    from nhictl.core.policy.box_value import Box
    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.condition import Condition

__all__ = ["confirmed", "escape"]

MAX_FACTS = 400
_TRIES = 64
"""Calls that are put to the evaluator for one tool before the answer is that nothing is proven."""
Fact = str | tuple[str, str]


def confirmed(call: Call, inside: tuple[Box, ...], outside: tuple[Box, ...], policy: Policy | None) -> bool:
    """Whether the evaluator lets the call through by each box inside and by none outside."""

    def covered(boxes: tuple[Box, ...]) -> bool:
        return scope_verdict(boxes, policy, call.tool, call.args, call.resource).covered

    return all(covered((box,)) for box in inside) and not covered(outside)


def escape(
    inside: tuple[Box, ...], outside: tuple[Box, ...], name: str, tool: Tool | None, policy: Policy | None, budget: Budget
) -> Call | None:  # fmt: skip
    """A call to the tool `name` inside all of `inside` and outside all of `outside`, which all name that tool.

    None: there is none, for certain. UndecidedError where that cannot be told.
    """
    held = [bind(clause, tool) for box in inside for clause in clauses_of(box)]
    conditions = [condition for condition in held if condition is not None]
    if len(conditions) < len(held):
        return None  # a condition that no call meets
    others = []
    for box in outside:
        bound = [bind(clause, tool) for clause in clauses_of(box)]
        if not bound:
            return None  # a box without conditions has the whole tool
        if None not in bound:
            others.append([condition for condition in bound if condition is not None])
    paths = dict.fromkeys(c.path for box in (conditions, *others) for c in box)
    if len(paths) > MAX_FACTS:
        raise UndecidedError(f"more than {MAX_FACTS} facts")
    unproven = False
    for shape in shapes(tool, paths):
        call, doubt = _search(_Question(inside, outside, name, shape, policy), conditions, others, budget)
        if call is not None:
            return call
        unproven |= doubt
    if unproven:
        raise UndecidedError(f"facts of `{name}` hang together in a way that is not followed")
    if not conditions:
        shape = Shape(tool)
        call = invalid_call(name, shape)
        if confirmed(call, inside, outside, policy):
            return call
        raise UndecidedError(f"a malformed call to `{name}` may be let through")
    return None


class _Question:
    __slots__ = ("inside", "name", "outside", "policy", "shape")

    def __init__(
        self, inside: tuple[Box, ...], outside: tuple[Box, ...], name: str, shape: Shape, policy: Policy | None
    ) -> None:
        self.inside = inside
        self.outside = outside
        self.name = name
        self.shape = shape
        self.policy = policy


def _search(
    asked: _Question, inside: list[Condition], outside: list[list[Condition]], budget: Budget
) -> tuple[Call | None, bool]:
    """A confirmed call, else whether one may exist all the same."""
    facts = _facts(asked.shape, inside, outside, budget)
    names, offered = list(facts), list(facts.values())
    if not all(offered):
        return None, False
    full = (1 << len(outside)) - 1
    sure = [[cell for cell in each if cell.sure] for each in offered]
    tried = 0
    if all(sure):
        for choice in _choices(sure, full, budget):
            for whole in islice(product(*choice), 8):
                call = _call(asked, names, whole)
                if confirmed(call, asked.inside, asked.outside, asked.policy):
                    return call, False
                tried += 1
            if tried >= _TRIES:
                return None, True
    if tried or sure == offered:
        return None, bool(tried)
    return None, next(_choices(offered, full, budget), None) is not None


def _facts(
    shape: Shape, inside: list[Condition], outside: list[list[Condition]], budget: Budget
) -> dict[Fact, list[Cell]]:
    held: dict[Fact, list[Condition]] = {}
    against: dict[Fact, dict[int, list[Condition]]] = {}
    for condition in inside:
        held.setdefault(_fact(condition), []).append(condition)
    for number, conditions in enumerate(outside):
        for condition in conditions:
            against.setdefault(_fact(condition), {}).setdefault(number, []).append(condition)
    full = (1 << len(outside)) - 1
    found: dict[Fact, list[Cell]] = {}
    for fact in dict.fromkeys((*held, *against)):
        these, those = held.get(fact, []), against.get(fact, {})
        if isinstance(fact, tuple):
            found[fact] = same_cells(these, those, full)
        else:
            found[fact] = cells(shape.room(fact), these, those, full, budget, tied=shape.tied(fact))
    return found


def _fact(condition: Condition) -> Fact:
    return (condition.path, str(condition.operand)) if condition.op == "same_as" else condition.path


def _choices(offered: list[list[Cell]], full: int, budget: Budget) -> Iterator[list[list[Cell]]]:
    """Every way to escape all boxes: for each fact the cell chosen, or all of them where it does not matter."""
    ways: dict[int, list[tuple[int, Cell]]] = {}
    for box in range(full.bit_length()):
        ways[box] = [(at, cell) for at, each in enumerate(offered) for cell in each if not cell.mask >> box & 1]
        if not ways[box]:
            return
    order = sorted(ways, key=lambda box: len(ways[box]))
    chosen: dict[int, Cell] = {}

    def go(remaining: int) -> Iterator[list[list[Cell]]]:
        budget.spend(1 + len(order) // 8)
        if not remaining:
            yield [[chosen[at]] if at in chosen else each for at, each in enumerate(offered)]
            return
        box = next(box for box in order if remaining >> box & 1)
        for at, cell in ways[box]:
            if at not in chosen:
                chosen[at] = cell
                yield from go(remaining & cell.mask)
                del chosen[at]

    yield from go(full)


def _call(asked: _Question, names: list[Fact], whole: tuple[Cell, ...]) -> Call:
    chosen: dict[str, Any] = {}
    same: dict[tuple[str, str], Any] = {}
    for name, cell in zip(names, whole, strict=True):
        if isinstance(name, tuple):
            same[name] = cell.value
        else:
            chosen[name] = cell.value
    return make(asked.name, asked.shape, chosen, same)
