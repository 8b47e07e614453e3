"""All calls to one tool as a finite grid: for each fact that some rule reads the values that stand for all, and each rule
as boxes in it.

A box maps facts to the sets of values that meet it; facts it does not name are free. The same grid serves one policy,
or two that are compared, whose catalogues may differ: what is no valid call on a side lies in no permit of that side.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import combinations
from typing import TYPE_CHECKING, Any

from nhictl.core.policy.algebra.axis import Axis, observed
from nhictl.core.policy.algebra.budget import UndecidedError
from nhictl.core.policy.algebra.cells import ABSENT, ODD, OTHER, SAME
from nhictl.core.policy.algebra.literals import SAME_MARK, Literal, Literals, Side
from nhictl.core.policy.algebra.moments import moments
from nhictl.core.policy.algebra.points import bounds_of
from nhictl.core.policy.algebra.ranks import RankPart
from nhictl.core.policy.algebra.rooms import Shape, shapes
from nhictl.core.policy.algebra.values import scalars
from nhictl.core.policy.catalogue import Tool
from nhictl.core.policy.facts import fact_type
from nhictl.core.policy.resource import Refused
from nhictl.core.policy.types import SENSITIVITY, scalar_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nhictl.core.policy.algebra.budget import Budget
    from nhictl.core.policy.registry import Agent

__all__ = ["Box", "Grid"]

MAX_LISTS = 4096
"""Lists of values that one fact may come to; where more would matter, answers stay undecided."""
Box = dict[str, int]
_ONLY: dict[str, tuple[Any, ...]] = {
    "number": (Decimal("1.5"),),
    "integer": (1,),
    "string": ("x y",),
    "email": ("x@example.org",),
}


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
        self.tool = declared[0] if len({_shown(tool) for tool in declared}) < 2 else _merged(declared)
        self.differs = len(sides) > 1 and (len(declared) < 2 or self.tool is not declared[0])
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
            for path in self.differing():
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
        for path in self.differing():
            axis = self.axis(path)
            bits = sum(1 << at for at, value in enumerate(axis.values) if self._valid(path, value, side))
            if bits != axis.full:
                made[path] = bits
        return made

    def unfollowed(self) -> str:
        """How the two catalogues differ beyond what is followed; nothing if they do not."""
        declared = [side.tool for side in self.sides if side.tool is not None]
        if not self.differs or len(declared) < 2:
            return ""
        if any(tool.open for tool in declared):
            return f"`{self.name}` is declared otherwise on either side, and takes undeclared arguments"
        named = {tool.resource for tool in declared}
        if len(named) > 1 and any("{" in text for text in named if text is not None):
            return f"the resource of `{self.name}` is derived otherwise on either side"
        return ""

    def differing(self) -> list[str]:
        """The facts that two catalogues declare differently."""
        found: dict[str, None] = {}
        for name in self.tool.args:
            forms = [_argument(side.tool, name) for side in self.sides if side.tool is not None]
            if any(form != forms[0] for form in forms):
                found[f"args.{name}"] = None
        if len({side.tool.resource for side in self.sides if side.tool is not None}) > 1:
            found["resource"] = None
        return list(found)

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
            self.axes[name] = self._axis(name)
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

    def _axis(self, name: str) -> Axis:
        on = self._on.get(name, [])
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


def _shown(tool: Tool) -> str:
    return repr(tool.to_json())


def _argument(tool: Tool | None, name: str) -> Any:
    found = tool.args.get(name) if tool is not None else None
    return None if found is None else (repr(found[0].to_json()), found[1])


def _merged(tools: list[Tool]) -> Tool:
    """A tool that takes whatever one of two declarations takes; only an argument that both require is required."""
    args = {}
    for name in dict.fromkeys(name for tool in tools for name in tool.args):
        found = [tool.args[name] for tool in tools if name in tool.args]
        kinds = [of for of, _ in found]
        if (
            len(kinds) > 1
            and any(of.fields is not None for of in kinds)
            and _argument(tools[0], name) != _argument(tools[1], name)
        ):
            raise UndecidedError(f"argument `{name}` of `{tools[0].name}` is another object on either side")
        args[name] = (kinds[0], len(found) < len(tools) or any(optional for _, optional in found))
    resource = next((tool.resource for tool in tools if tool.resource is not None), None)
    return Tool(tools[0].name, args, is_open=any(tool.open for tool in tools), resource=resource)
