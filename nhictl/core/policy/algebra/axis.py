"""One fact of a call as finitely many values, and conditions on it as sets of them, kept as the bits of a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.algebra.cells import ABSENT, ODD, OTHER, SAME
from nhictl.core.policy.condition import FALSE, TRUE, UNKNOWN
from nhictl.core.policy.facts import Facts
from nhictl.core.policy.registry import Agent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nhictl.core.policy.algebra.literals import Literal, Side

__all__ = ["Axis", "observed"]

_FEW = 96
_ATTRIBUTES = ("name", "owner", "env", "trust", "groups", "attested")


def observed(axis: str, value: Any, side: Side, tool: str) -> Facts:
    """A call of which only one fact is known, as conditions see it."""
    facts = Facts(_agent(axis, value), tool, {}, None, {}, {}, 0, side.policy.sensitivity_rank)
    if value is ABSENT:
        return facts
    if axis.startswith("args."):
        facts.args = {axis[5:]: value}
    elif axis == "resource":
        facts.resource = value
    elif axis == "time":
        facts.now_us = value
    elif axis.startswith("context."):
        facts.context = {axis[8:]: {} if value is ODD else value}
    elif axis.startswith(("task.", "token.")):
        facts.claims = {axis: value}
    return facts


def _agent(axis: str, value: Any) -> Agent:
    if axis == "agent":
        found: Agent = value
        return found
    made = Agent("agent", "owner", "purpose")
    if axis.startswith("agent.labels."):
        made.labels = {} if value is ABSENT else {axis[13:]: value}
    elif axis.startswith("agent.") and axis[6:] in _ATTRIBUTES:
        setattr(made, axis[6:], (() if axis == "agent.groups" else None) if value is ABSENT else value)
    return made


def _alike(literal: Literal, value: Any) -> int:
    """What `same_as` makes of two values that are alike, differ, or cannot be compared."""
    if value is ABSENT:
        return TRUE if literal.condition is not None and literal.condition.absent_ok else UNKNOWN
    return TRUE if value is SAME else FALSE if value is OTHER else UNKNOWN


class Axis:
    """The values of one fact; `complete` unless some value that matters may be missing. `ordered` says from
    where to where they are sorted by size; `bounds` are those of them that a condition names.
    """

    __slots__ = ("_index", "_seen", "bounds", "complete", "name", "ordered", "tool", "values")

    def __init__(
        self, name: str, tool: str, values: list[Any], *, complete: bool, ordered: tuple[int, int],
        bounds: frozenset[Any] = frozenset(),
    ) -> None:  # fmt: skip
        self.name = name
        self.tool = tool
        self.values = values
        self.complete = complete
        self.ordered = ordered
        self.bounds = bounds
        self._seen: dict[int, list[Facts]] = {}
        self._index: dict[Any, int] | None = None

    @property
    def full(self) -> int:
        """All values."""
        return (1 << len(self.values)) - 1

    def bits(self, literal: Literal, normal: Callable[[str, Any, Side], Any]) -> int:
        """The values that meet a literal; `normal` gives a value's form on the literal's side, None if it has none."""
        if self.name.startswith("same_as "):
            return self._choose(lambda at: self._says(literal, _alike(literal, self.values[at])))
        seen = self._seen.get(literal.side.number)
        if seen is None:
            seen = self._seen[literal.side.number] = self._observe(literal.side, normal)
        if len(self.values) > _FEW and literal.condition is not None and not literal.condition.many:
            return self._quickly(literal, seen)
        return self._choose(lambda at: literal.met(seen[at]))

    def _observe(self, side: Side, normal: Callable[[str, Any, Side], Any]) -> list[Facts]:
        made = []
        for value in self.values:
            own = value if value is ABSENT or value is ODD else normal(self.name, value, side)
            made.append(observed(self.name, ABSENT if own is None else own, side, self.tool))
        return made

    @staticmethod
    def _says(literal: Literal, result: int) -> bool:
        return result != FALSE if literal.may else result == TRUE

    def _choose(self, test: Callable[[int], bool], among: Sequence[int] | range | None = None) -> int:
        made = bytearray((len(self.values) + 8) // 8)
        for at in range(len(self.values)) if among is None else among:
            if test(at):
                made[at >> 3] |= 1 << (at & 7)
        return int.from_bytes(made, "little")

    def _quickly(self, literal: Literal, seen: list[Facts]) -> int:
        """The same for many values: bounds are searched for, named values looked up, all others tested."""
        op, condition = literal.op, literal.condition
        low, high = self.ordered
        if op in ("lt", "lte", "gt", "gte") and high - low > _FEW:
            rising = op in ("gt", "gte")
            first, last = low, high
            while first < last:
                middle = (first + last) // 2
                if literal.met(seen[middle]) is rising:
                    last = middle
                else:
                    first = middle + 1
            inside = (1 << high) - (1 << first) if rising else (1 << first) - (1 << low)
            others = [at for at in range(len(self.values)) if not low <= at < high]
            return inside | self._choose(lambda at: literal.met(seen[at]), others)
        if op in ("eq", "in") and condition is not None and condition.kinds is None and not literal.ranked:
            wanted = condition.operand if isinstance(condition.operand, tuple) else (condition.operand,)
            index = self._indexed()
            places = {index[value] for value in wanted if value in index}
            places.update(at for at, value in enumerate(self.values[-2:], len(self.values) - 2) if value is ABSENT)
            return self._choose(lambda at: literal.met(seen[at]), sorted(places))
        return self._choose(lambda at: literal.met(seen[at]))

    def _indexed(self) -> dict[Any, int]:
        if self._index is None:
            self._index = {value: at for at, value in enumerate(self.values) if value.__hash__ is not None}
        return self._index
