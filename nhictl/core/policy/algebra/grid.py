"""All calls to one tool as a finite grid: for each fact that some rule reads the values that stand for all, and each rule
as boxes in it.

A box maps facts to the sets of values that meet it; facts it does not name are free. The same grid serves one policy,
or two that are compared, whose catalogues may differ: what is no valid call on a side lies in no permit of that side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.algebra.axes import AxisMaker
from nhictl.core.policy.algebra.axis import Axis, observed
from nhictl.core.policy.algebra.catalogues import differing, merged_tool, written
from nhictl.core.policy.algebra.cells import ABSENT
from nhictl.core.policy.algebra.literals import Literal, Literals, Side
from nhictl.core.policy.algebra.rooms import Shape, shapes
from nhictl.core.policy.resource import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nhictl.core.policy.algebra.budget import Budget
    from nhictl.core.policy.registry import Agent

__all__ = ["Box", "Grid"]

Box = dict[str, int]


class Grid:
    """The facts of calls to one tool. Make the literals first, through `literals`, then close it, then ask for boxes."""

    def __init__(
        self, name: str, sides: list[Side], agents: Sequence[Agent] | None, now_us: int, budget: Budget
    ) -> None:  # fmt: skip
        self.name = name
        self.sides = sides
        self.agents = agents
        self.now_us = now_us
        self.budget = budget
        self.literals = Literals(known_agents=agents is not None)
        declared = [side.tool for side in sides if side.tool is not None]
        self.tool = declared[0] if len({written(tool) for tool in declared}) < 2 else merged_tool(declared)
        self.differs = len(sides) > 1 and (len(declared) < 2 or self.tool is not declared[0])
        self._maker = AxisMaker(name, sides, agents, now_us, budget, self.literals)
        self.axes: dict[str, Axis] = {}
        self._on: dict[str, list[Literal]] = {}
        self._bits: dict[int, int | None] = {}
        self._shapes: list[tuple[Shape, Box]] | None = None

    def close(self) -> None:
        """Find the values of every fact that is read or differs; no literal can be made afterwards."""
        for literal in self.literals.all:
            if literal.axis:
                self.axis(literal.axis)
        if self.differs:
            for path in differing(self.tool, self.sides):
                self.axis(path)

    def box(self, literals: Iterable[Literal]) -> Box | None:
        """What all of these literals hold of; None if no call can meet them."""
        made: Box = {}
        for literal in literals:
            bits = self._bits_of(literal)
            if bits is None:
                continue
            made[literal.axis] = made[literal.axis] & bits if literal.axis in made else bits
            if not made[literal.axis]:
                return None
        return {axis: bits for axis, bits in made.items() if not axis or bits != self.axes[axis].full}

    def absent(self, axis: str) -> int:
        """The value of a fact that stands for absence, as bits; 0 if there is none."""
        values = self.axes[axis].values
        return 1 << len(values) - 1 if values and values[-1] is ABSENT else 0

    def on(self, axis: str) -> list[tuple[Literal, int]]:
        """The literals that read a fact, with the values that meet them."""
        return [(one, bits) for one in self._on.get(axis, ()) if (bits := self._bits_of(one)) is not None]

    def _bits_of(self, literal: Literal) -> int | None:
        """The values that meet a literal; None for all, whatever they are."""
        if literal.number not in self._bits:
            if not literal.axis:
                self._bits[literal.number] = None if self._constant(literal) else 0
            else:
                self.budget.spend(len(self.axis(literal.axis).values) // 64 + 1)
                self._bits[literal.number] = self.axis(literal.axis).bits(literal, self.normal)
        return self._bits[literal.number]

    def _constant(self, literal: Literal) -> bool:
        facts = observed("", ABSENT, literal.side, self.name)
        facts.classes = literal.side.classes
        return literal.met(facts)

    def valid(self, side: Side) -> Box:
        """The calls that are valid on a side, as far as the two catalogues differ."""
        if not self.differs or side.tool is None:
            return {}
        made: Box = {}
        for path in differing(self.tool, self.sides):
            axis = self.axis(path)
            bits = sum(1 << at for at, value in enumerate(axis.values) if self._valid(path, value, side))
            if bits != axis.full:
                made[path] = bits
        return made

    def _valid(self, path: str, value: Any, side: Side) -> bool:
        if side.tool is None:
            return False
        if path == "resource":
            return (value is ABSENT) is (side.tool.resource is None)
        of = side.tool.args.get(path[5:])
        if of is None:
            return value is ABSENT or side.tool.open
        if value is ABSENT:
            return of[1] or of[0].item is not None
        return self.normal(path, value, side) is not None

    def normal(self, axis: str, value: Any, side: Side) -> Any:
        """A value as the side's catalogue takes it, None if it does not."""
        if not self.differs or not axis.startswith("args.") or side.tool is None:
            return value
        of = side.tool.argument_type(axis[5:])
        if of is None:
            return None
        try:
            return of.normal(value)
        except Refused:
            return None

    def axis(self, name: str) -> Axis:
        """The values of a fact."""
        if name not in self.axes:
            if not self._on:
                for literal in self.literals.all:
                    self._on.setdefault(literal.axis, []).append(literal)
            self.axes[name] = self._maker.make(name, self._on.get(name, []))
        return self.axes[name]

    def shapes(self) -> list[tuple[Shape, Box]]:
        """The ways in which optional objects may be there, each with the values that this leaves."""
        if self._shapes is None:
            names = [name for name in self.axes if name.startswith("args.") or name == "resource"]
            self._shapes = []
            for shape in shapes(self.tool, names):
                box: Box = {}
                for name in names:
                    room, axis = shape.room(name), self.axes[name]
                    bits = sum(
                        1 << at for at, value in enumerate(axis.values)
                        if (room.absent if value is ABSENT else room.scalar or room.many)
                    )  # fmt: skip
                    if bits != axis.full:
                        box[name] = bits
                self._shapes.append((shape, box))
        return self._shapes
