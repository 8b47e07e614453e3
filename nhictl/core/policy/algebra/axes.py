"""How the values of a fact are found: by its kind, as the catalogue or the list of facts has it, and by what reads it."""

from __future__ import annotations

from decimal import Decimal
from itertools import combinations
from typing import TYPE_CHECKING, Any

from nhictl.core.policy.algebra.axis import Axis, observed
from nhictl.core.policy.algebra.budget import UndecidedError
from nhictl.core.policy.algebra.cells import ABSENT, ODD, OTHER, SAME
from nhictl.core.policy.algebra.literals import SAME_MARK
from nhictl.core.policy.algebra.moments import moments
from nhictl.core.policy.algebra.points import bounds_of
from nhictl.core.policy.algebra.ranks import RankPart
from nhictl.core.policy.algebra.values import scalars
from nhictl.core.policy.facts import fact_type
from nhictl.core.policy.types import SENSITIVITY, scalar_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nhictl.core.policy.algebra.budget import Budget
    from nhictl.core.policy.algebra.literals import Literal, Literals, Side
    from nhictl.core.policy.registry import Agent

__all__ = ["AxisMaker"]

MAX_LISTS = 4096
"""Lists of values that one fact may come to; where more would matter, answers stay undecided."""
_ONLY: dict[str, tuple[Any, ...]] = {
    "number": (Decimal("1.5"),),
    "integer": (1,),
    "string": ("x y",),
    "email": ("x@example.org",),
}


class AxisMaker:
    """Makes the axes of one tool."""

    def __init__(
        self, name: str, sides: list[Side], agents: Sequence[Agent] | None, now_us: int, budget: Budget, literals: Literals
    ) -> None:  # fmt: skip
        self.name = name
        self.sides = sides
        self.agents = agents
        self.now_us = now_us
        self.budget = budget
        self.literals = literals

    def make(self, name: str, on: list[Literal]) -> Axis:
        """The values of a fact for these literals, which are all that read it."""
        if name.startswith(SAME_MARK):
            return Axis(name, self.name, [SAME, OTHER, ABSENT, ODD], complete=True, ordered=(0, 0))
        if name == "agent":
            return Axis(name, self.name, list(self.agents or ()), complete=True, ordered=(0, 0))
        if name == "time":
            return self._time(on)
        if name == "agent.trust":
            return Axis(name, self.name, [0, 1, 2, 3], complete=True, ordered=(0, 4))
        kinds, many, absent, odd = self._kinds(name)
        atoms = list({(c.op, repr(c.operand), c.kind): c for literal in on for c in literal.atoms}.values())
        values: list[Any] = []
        complete = len(kinds) < 2
        ordered = (0, 0)
        for kind in kinds:
            known = [c for c in atoms if c.kind == kind or kind not in ("number", "integer", "boolean", "timestamp")]
            known = [c for c in known if _comparable(c.kind, kind)]
            found, whole = scalars(kind, known, self.budget, self._ranks(on) if name == "resource" else ())
            complete &= whole
            ordered = _ordered(kind, found, len(values)) if len(kinds) < 2 else (0, 0)
            if len(kinds) > 1:  # beside what is alike, something that only this kind takes
                found = [*found, *_ONLY.get(kind, ())]
            values += [value for value in found if len(kinds) < 2 or not any(_is(value, one) for one in values)]
        if many:
            values, whole = self._lists(name, values, atoms, on)
            complete &= whole
            ordered = (0, 0)
        values += [ODD] * odd + [ABSENT] * absent
        bounds = frozenset(bounds_of(atoms))
        return Axis(name, self.name, values, complete=complete, ordered=ordered, bounds=bounds)

    def _kinds(self, name: str) -> tuple[list[str], bool, bool, bool]:
        """Of which kinds a fact can be, whether it is a list, whether it may be absent, or compare to nothing."""
        if name.startswith("args."):
            types = [side.tool.argument_type(name[5:]) for side in self.sides if side.tool is not None]
            declared = [of for of in types if of is not None]
            lists = {of.item is not None for of in declared}
            if len(lists) > 1:
                raise UndecidedError(f"`{name}` of `{self.name}` is a list on one side only")
            return list(dict.fromkeys((of.item or of).kind for of in declared)), lists == {True}, True, False
        if name == "resource":
            named = dict.fromkeys(side.tool.resource for side in self.sides if side.tool is not None)
            kinds = ["resource" if "{" in text else f"resource:{text}" for text in named if text is not None]
            return list(dict.fromkeys(kinds)), False, True, False
        of = fact_type(name)
        if of is None:
            raise UndecidedError(f"no fact `{name}`")
        kind = "agent" if name == "agent.name" else (of.item or of).kind
        always = name in ("agent.name", "agent.owner", "agent.attested")
        return [kind], of.item is not None, not always, name.startswith("context.")

    def _time(self, on: list[Literal]) -> Axis:
        windows = list({repr(one.window): one.window for one in on if one.window is not None}.values())
        side = self.sides[0]

        def seen(now_us: int) -> tuple[int, ...]:
            facts = observed("time", now_us, side, self.name)
            return tuple(literal.run(facts) for literal in on)

        values, complete = moments(
            windows, [one.end for one in on if one.end is not None], self.now_us, seen, self.budget
        )
        return Axis("time", self.name, list(values), complete=complete, ordered=(0, 0))

    def _ranks(self, on: list[Literal]) -> list[Any]:
        measures = []
        for side in self.sides:
            data = side.policy.form["data"]
            if not data or not any(one.ranked and one.side is side for one in on):
                continue
            ranks = {prefix: SENSITIVITY.index(named) for prefix, named in data.items()}
            self.budget.spend(len(ranks))
            for least in (1, 2, 3):
                part = RankPart(ranks, least, len(SENSITIVITY) - 1)
                test = lambda text, s=side, least=least: s.policy.sensitivity_rank(text) >= least  # noqa: E731
                measures.append((part, test))
        return measures

    def _lists(self, name: str, values: list[Any], atoms: list[Any], on: list[Literal]) -> tuple[list[Any], bool]:
        """Lists of these values, and whether they stand for all.

        A longer list is not needed than has one element for each condition on every element to fail, and one for each
        condition on any that two boxes together have to meet: others can go without a change.
        """
        alike: dict[tuple[int, ...], Any] = {}
        tests = [c for c in atoms if c.domain is not None]
        for value in values:
            alike.setdefault(tuple(c.test_value(value) for c in tests), value)
        elements = list(alike.values())
        every = sum(not one.anyhow for one in on)
        most = min(len(elements), every + 2 * self.literals.most_any.get(name, 0))
        made: list[Any] = []
        for size in range(1, max(most, 1) + 1):
            for chosen in combinations(elements, size):
                if len(made) >= MAX_LISTS:
                    return [*made, elements], False
                made.append(list(chosen))
        self.budget.spend(len(made))
        return made, True


def _is(one: Any, other: Any) -> bool:
    return bool(one == other) and scalar_kind(one) == scalar_kind(other)


def _comparable(one: str, kind: str) -> bool:
    """Whether a condition bound to one kind may be asked of values of another."""
    look = kind.partition(":")[0]
    return one == look or {one, look} <= {"number", "integer"} or (look == "agent" and one == "string")


def _ordered(kind: str, found: list[Any], start: int) -> tuple[int, int]:
    if kind in ("number", "integer", "timestamp"):
        return start, start + len(found)
    texts = sum(isinstance(value, str) for value in found)
    return (texts, len(found) - 2) if kind == "any" else (0, 0)
