"""A set of calls to one tool as boxes of a grid: described, shown by a request, and able to say whether a call lies in it."""

from __future__ import annotations

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

__all__ = ["Region", "merged"]


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
    def text(self) -> str:
        """The whole in one line, after the manner of a BOX."""
        said = self.conditions
        each = [f"({one})" if " or " in one and len(said) > 1 else one for one in said.values()]
        return self.sets.name + (" ? " + " & ".join(each) if said else "")

    def to_json(self) -> dict[str, Any]:
        """`{tool, level, conditions, text, witness, old, new}`."""
        made: dict[str, Any] = {"tool": self.sets.name, "level": self.level, "conditions": self.conditions, "text": self.text}
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
                found = [at for at, known in enumerate(grid.axes[name].values) if known.name == agent.name]
            else:
                found = self._places(grid, name, self._value(name, facts))
            if not any(bits >> at & 1 for at in found):
                return False
        return True

    def _places(self, grid: Grid, name: str, value: Any) -> list[int]:
        """The values of the grid that stand for this one: those that every condition takes alike."""
        literals = [one for one, _ in grid.on(name)]
        seen = {s.number: observed(name, value, s, grid.name) for s in grid.sides}
        wanted = [one.met(seen[one.side.number]) for one in literals]
        axis = grid.axes[name]
        found = []
        for at, known in enumerate(axis.values):
            if (known is ABSENT) is (value is ABSENT) and all(
                (bits >> at & 1) == met for (_, bits), met in zip(grid.on(name), wanted, strict=True)
            ):
                found.append(at)
        return found

    @staticmethod
    def _value(name: str, facts: Any) -> Any:
        from nhictl.core.policy.facts import getter

        if name == "time":
            return facts.now_us
        value = getter(name)(facts)
        if type(value).__name__ == "Mistyped":
            from nhictl.core.policy.algebra.cells import ODD

            return ODD
        return ABSENT if value is None or value == [] or value == () else value


def merged(parts: list[Part], full: dict[str, int]) -> list[tuple[Box, Witness]]:
    """The same calls in fewer boxes: two that differ in one fact alone are one."""
    made: list[tuple[Box, Witness]] = [(dict(part.box), part.witness) for part in parts]
    again = len(made) <= 500
    while again:
        again = False
        for at, (box, _) in enumerate(made):
            for other in range(at + 1, len(made)):
                joined = _joined(box, made[other][0], full)
                if joined is not None:
                    made[at] = (joined, made[at][1])
                    del made[other]
                    again = True
                    break
            if again:
                break
    return made


def _joined(one: Box, other: Box, full: dict[str, int]) -> Box | None:
    differing = [
        axis for axis in {*one, *other} if one.get(axis, full.get(axis, 0)) != other.get(axis, full.get(axis, 0))
    ]
    if len(differing) != 1:
        return None
    axis = differing[0]
    return {**one, axis: one.get(axis, full.get(axis, 0)) | other.get(axis, full.get(axis, 0))}
