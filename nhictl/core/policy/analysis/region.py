"""A set of calls to one tool as boxes of a grid: described, shown by a request, and able to say whether a call lies in it."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from nhictl.core.policy.algebra.axis import observed
from nhictl.core.policy.algebra.cells import ABSENT
from nhictl.core.policy.analysis.describe import conditions
from nhictl.core.policy.catalogue import InvalidRequestError
from nhictl.core.policy.decide import gather

if TYPE_CHECKING:
    from nhictl.core.policy.algebra.grid import Box, Grid
    from nhictl.core.policy.algebra.witness import Witness
    from nhictl.core.policy.analysis.sets import Part, Sets
    from nhictl.core.policy.decide import Decision
    from nhictl.core.policy.registry import Agent
    from nhictl.core.policy.request import Request

__all__ = ["Region", "alike", "merged"]

_MERGED = 500
"""More boxes than these are shown as they were found."""


class Region:
    """A box of calls; `old` and `new` are the decisions on its witness, `level` the set that gained or lost it."""

    __slots__ = ("box", "level", "new", "old", "sets", "witness")

    def __init__(
        self, sets: Sets, box: Box, witness: Witness, level: str, old: Decision | None = None, new: Decision | None = None
    ) -> None:  # fmt: skip
        self.sets = sets
        self.box = box
        self.witness = witness
        self.level = level
        self.old = old
        self.new = new

    @property
    def conditions(self) -> dict[str, str]:
        """What is asked of each fact, in words."""
        return conditions(self.sets.grid, self.box)

    @property
    def agents(self) -> list[str] | None:
        """The names of the agents that are meant, all of a registry where no condition tells them apart; None without one."""
        known = self.sets.grid.agents
        if known is None:
            return None
        bits = self.box.get("agent", (1 << len(known)) - 1)
        return [agent.name for at, agent in enumerate(known) if bits >> at & 1]

    @property
    def text(self) -> str:
        """The whole in one line, after the manner of a BOX."""
        said = self.conditions
        each = [f"({one})" if " or " in one and len(said) > 1 else one for one in said.values()]
        return self.sets.name + (" ? " + " & ".join(each) if said else "")

    def to_json(self) -> dict[str, Any]:
        """`{tool, level, conditions, text, witness, old, new}`."""
        made: dict[str, Any] = {
            "tool": self.sets.name,
            "level": self.level,
            "conditions": self.conditions,
            "text": self.text,
        }
        if (names := self.agents) is not None:
            made["agents"] = names
        made |= self.witness.to_json(known=self.sets.grid.agents is not None)
        made["witness"] = made.pop("request")
        for name, decision in (("old", self.old), ("new", self.new)):
            if decision is not None:
                made[name] = {"reason": decision.reason, "rules": decision.rules}
        return made

    def contains(self, side: int, agent: Agent, request: Request) -> bool:
        """Whether a call lies in it, as the given side reads the call."""
        if request.tool != self.sets.name:
            return False
        try:
            facts, _ = gather(self.sets.policies[side], agent, request)
        except InvalidRequestError:
            return False
        grid = self.sets.grid
        for name, bits in self.box.items():
            if name.startswith("same_as "):
                continue
            if name == "agent":
                found = sum(1 << at for at, known in enumerate(grid.axes[name].values) if known.name == agent.name)
            else:
                found = alike(grid, name, self._value(name, facts))
            if not bits & found:
                return False
        return True

    @staticmethod
    def _value(name: str, facts: Any) -> Any:
        from nhictl.core.policy.facts import getter

        if name == "time":
            return facts.now_us
        value = getter(name)(facts)
        if type(value).__name__ == "Mistyped":
            from nhictl.core.policy.algebra.cells import ODD

            return ODD
        return ABSENT if value is None or (isinstance(value, list | tuple) and not value) else value


def alike(grid: Grid, name: str, value: Any) -> int:
    """The values of a fact that stand for this one, which every condition takes as it takes them; `ABSENT` for none."""
    literals = grid.on(name)
    seen = {side.number: observed(name, value, side, grid.name) for side in grid.sides}
    axis = grid.axes[name]
    absent = grid.absent(name)
    found = absent if value is ABSENT else axis.full & ~absent
    for one, bits in literals:
        found &= bits if one.met(seen[one.side.number]) else ~bits
    return found


def merged(parts: list[Part], full: dict[str, int]) -> list[tuple[Box, Witness]]:
    """The same calls in fewer boxes: two that differ in one fact alone are one, the first such pair first.

    Boxes are found by all they say but one fact, so that a join costs its facts and not all pairs once more.
    """
    if len(parts) > _MERGED:
        return [(dict(part.box), part.witness) for part in parts]
    axes = sorted({axis for part in parts for axis in part.box})
    boxes: dict[int, Box] = {}
    rows: dict[int, tuple[int, ...]] = {}
    shelf: dict[tuple[int, tuple[int, ...]], set[int]] = {}
    pairs: list[tuple[int, int]] = []

    def put(number: int, box: Box) -> None:
        boxes[number] = box
        rows[number] = row = tuple(box.get(axis, full.get(axis, 0)) for axis in axes)
        for at in range(len(axes)):
            alike = shelf.setdefault((at, row[:at] + row[at + 1 :]), set())
            for other in alike:
                heappush(pairs, (min(number, other), max(number, other)))
            alike.add(number)

    def take(number: int) -> Box:
        row = rows.pop(number)
        for at in range(len(axes)):
            shelf[at, row[:at] + row[at + 1 :]].discard(number)
        return boxes.pop(number)

    for number, part in enumerate(parts):
        put(number, dict(part.box))
    while pairs:
        one, other = heappop(pairs)
        if one not in rows or other not in rows:
            continue
        differing = [at for at in range(len(axes)) if rows[one][at] != rows[other][at]]
        if len(differing) == 1:
            (at,) = differing
            bits = rows[one][at] | rows[other][at]
            take(other)
            put(one, {**take(one), axes[at]: bits})
    return [(boxes[number], parts[number].witness) for number in sorted(boxes)]
