"""A policy's rules for one tool as sets in a grid: what its permits allow, its forbids deny, and its gates let through.

Approvals are history, so there are two sets of calls that are allowed: those that pass without anybody's approval
(`PERMITTED`), and those that pass if every approval asked for is given (`APPROVABLE`). Limits are history too: here nothing
was used yet, and what a limit denies even so stands among the forbids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nhictl.core.policy.algebra.budget import Budget, UndecidedError
from nhictl.core.policy.algebra.grid import Grid
from nhictl.core.policy.algebra.literals import Side
from nhictl.core.policy.algebra.search import Shelf, intersect, left_over
from nhictl.core.policy.algebra.witness import TRIES, Witness, inhabited, witness
from nhictl.core.policy.analysis.limit_rules import denying
from nhictl.core.policy.decide import Decision, decide
from nhictl.core.policy.gates import expiry_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from nhictl.core.policy.algebra.grid import Box
    from nhictl.core.policy.algebra.literals import Literal
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.plan import Rule
    from nhictl.core.policy.registry import Agent

__all__ = ["APPROVABLE", "PERMITTED", "Held", "Part", "Sets", "outcome"]

PERMITTED: Final = "permitted"
APPROVABLE: Final = "approvable"
NONE: Final[frozenset[int]] = frozenset()
MAX_BOXES: Final = 20_000
"""Boxes that permits and guardrails of one tool may come to together."""
MAX_STEPS: Final = 1_000_000
"""Steps of one question about one tool, about a second; then it is undecided."""
MAX_WORK: Final = 20 * MAX_STEPS
"""Steps of all questions about one tool."""


class Held(NamedTuple):
    """A box of a rule."""

    rule: Rule
    box: Box


class Part(NamedTuple):
    """A part of a box that something leaves over, and a request in it that the evaluator confirms."""

    box: Box
    witness: Witness


class Sets:
    """The sets of one or two policies for one tool; with `agents` only these call it, else any agent may exist."""

    def __init__(
        self, name: str, policies: Sequence[Policy], agents: Sequence[Agent] | None, now_us: int,
        also: Sequence[Sequence[Rule]] = (), steps: int = MAX_STEPS, *, lasting: bool = False,
    ) -> None:  # fmt: skip
        """`also` are further rules for each side, such as assertions, of which only boxes are asked. With `lasting`
        guardrails in force now are taken to stay so: what is asked is how things stand, not that an end will come.
        """

        def ends(rail: dict[str, Any], timezone: str) -> int | None:
            at_us = expiry_us(rail["expires"], timezone)
            return None if lasting and now_us < at_us else at_us

        self.name = name
        self.policies = policies
        self._steps = steps
        self._work = steps * MAX_WORK // MAX_STEPS
        self.budget = Budget(min(4 * steps, self._work))  # to find the values of facts
        sides = [Side(number, policy, name) for number, policy in enumerate(policies)]
        self.grid = Grid(name, sides, agents, now_us, self.budget)
        self._boxes: dict[tuple[int, str], list[list[Literal]]] = {}
        self._rules: list[list[Rule]] = []
        self._gates: list[list[tuple[str, str | None, str | None, list[tuple[str, list[Literal]]]]]] = []
        self._held: dict[tuple[int, str], list[Held]] = {}
        literals = self.grid.literals
        for side in sides:
            rules = (
                [*side.policy.rules_for(side.tool), *denying(side.policy, side.tool)] if side.tool is not None else []
            )
            self._rules.append(rules)
            for rule in [*rules, *(also[side.number] if also else ())]:
                self._boxes[side.number, rule.id] = literals.rule(rule, side)
            gates = []
            form = side.policy.form
            for gate in side.policy.gates(side.tool) if side.tool is not None else []:
                rails = [
                    (key, literals.envelope(one, ends(one, side.policy.timezone), side))
                    for key, one in sorted(form["guardrails"].items()) if one["class"] == gate.name
                ]  # fmt: skip
                gates.append((gate.name, gate.requires, gate.impact, rails))
            self._gates.append(gates)
        self._weight = sum(len(box) for boxes in self._boxes.values() for box in boxes)
        self.grid.close()

    def boxes(self, side: int, rule: Rule) -> list[Held]:
        """The boxes of one rule that some call can meet."""
        found = self._held.get((side, rule.id))
        if found is None:
            made = (self.grid.box(literals) for literals in self._boxes[side, rule.id])
            found = self._held[side, rule.id] = [
                Held(rule, box) for box in made if box is not None and any(inhabited(self.grid, box))
            ]
        return found

    def rules(self, side: int, effect: str | None = None) -> list[Rule]:
        """The rules of a side that name the tool, of one effect if it is given."""
        return [rule for rule in self._rules[side] if effect in (None, rule.effect)]

    def forbids(self, side: int) -> list[Held]:
        """What forbids deny."""
        return [held for rule in self.rules(side, "forbid") for held in self.boxes(side, rule)]

    def shelf(self, boxes: Sequence[Box]) -> Shelf:
        """Many boxes, to be taken away from many others."""
        return Shelf(boxes, {name: axis.full for name, axis in self.grid.axes.items()})

    def permits(self, side: int, level: str | None = None) -> list[Held]:
        """What permits allow; with a level, as far as gates let it through."""
        valid = self.grid.valid(self.grid.sides[side])
        found: list[Held] = []
        for rule in self.rules(side, "permit"):
            boxes = (intersect(held.box, valid) for held in self.boxes(side, rule))
            found += [Held(rule, box) for box in boxes if box is not None]
        return found if level is None else self.gated(side, found, level)

    def gated(self, side: int, held: list[Held], level: str) -> list[Held]:
        """What of these boxes the gates let through."""
        for _, requires, _, rails in self._gates[side]:
            if requires is None or (level == APPROVABLE and requires != "guardrail"):
                continue
            opened = [self.grid.box(literals) for _, literals in rails] if requires != "approval" else []
            if len(held) * max(len(opened), 1) > MAX_BOXES:
                raise UndecidedError(f"more than {MAX_BOXES} boxes of permits and guardrails")
            met = (Held(one.rule, box) for one in held for rail in opened if rail is not None
                   for box in [intersect(one.box, rail)] if box is not None)  # fmt: skip
            held = list(met)
        return held

    def gates(self, side: int) -> list[tuple[str, str | None, str | None, list[Box]]]:
        """Class, what it requires, its impact, and its guardrails."""
        made = []
        for name, requires, impact, rails in self._gates[side]:
            boxes = [box for _, literals in rails if (box := self.grid.box(literals)) is not None]
            made.append((name, requires, impact, boxes))
        return made

    @property
    def gated_sides(self) -> bool:
        """Whether some class requires something, so that the two levels differ."""
        return any(requires is not None for gates in self._gates for _, requires, _, _ in gates)

    def left(
        self, box: Box, taken: Sequence[Box] | Shelf, holds: Callable[[Witness], bool], *, but: frozenset[int] = NONE
    ) -> Iterator[Part]:
        """The parts of `box` outside of all `taken` (but those at the places `but`), each with a witness of which `holds`
        is true.

        UndecidedError where a part cannot be shown to have a call, or where parts may have been missed; the parts that
        came before are certain.
        """
        shelf = taken if isinstance(taken, Shelf) else self.shelf(taken)
        self._allow()
        overlapping = [other for _, other in shelf.near(box, but)]
        self.budget.spend(len(overlapping))
        doubt = ""
        for shape, start in inhabited(self.grid, box):
            for part in left_over(start, overlapping, shelf.full, self.budget):
                self.budget.spend(sum(map(len, self._rules)) // 4)  # which the evaluator goes through
                found = witness(self.grid, shape, part, holds)
                if found is not None:
                    yield Part(part, found)
                    self._allow()
                else:
                    self.budget.spend(TRIES * self._weight)
                    doubt = f"facts of `{self.name}` hang together in a way that is not followed"
        if not doubt:
            read = {*box, *(axis for other in overlapping for axis in other)}
            doubt = self.vague(read)
        if doubt:
            raise UndecidedError(doubt)

    def vague(self, axes: Iterable[str]) -> str:
        """Why values of one of these facts may have been missed; nothing if none was."""
        for axis in sorted(axes):
            if axis and not self.grid.axes[axis].complete:
                return f"the values of `{axis}` of `{self.name}` are not followed to the end"
        return ""

    def facts(self, side: int, rule: Rule) -> set[str]:
        """The facts that a rule reads."""
        return {literal.axis for box in self._boxes[side, rule.id] for literal in box}

    def _allow(self) -> None:
        """Give the next question its budget, out of what is left of the whole."""
        self._work -= max(self.budget.spent, 0)
        if self._work <= 0:
            raise UndecidedError(f"not decided within {MAX_WORK} steps for `{self.name}`")
        self.budget.most = self.budget.left = min(self._steps, self._work)

    def decide(self, side: int, asked: Witness) -> Decision:
        """What the evaluator says; where approvals are wanted, but a limit would deny the call even so, that."""
        policy = self.policies[side]
        made = decide(policy, asked.agent, asked.request)
        if made.reason != "approval_required" or not policy.limited:
            return made
        approved = decide(policy, asked.agent, asked.request, approvals={gate["class"]: "" for gate in made.gates})
        return approved if approved.reason == "limit_exceeded" else made


def outcome(decision: Decision) -> str | None:
    """To which of the two sets a decision belongs: `PERMITTED`, `APPROVABLE` if approvals are all that it wants, or none."""
    if decision.allowed:
        return PERMITTED
    if decision.reason != "approval_required" or any(gate["requires"] == "guardrail" for gate in decision.gates):
        return None
    return APPROVABLE
