"""Rules, guardrails and assertions of a policy as unions of boxes over the facts of a call to one tool.

A literal is one condition as the evaluator runs it, with what it has to answer: true in a permit and in a guardrail, true
or unknown in a forbid. So a permit's box is where it is true, a forbid's where it applies, and nothing between is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.condition import FALSE, TRUE, Condition
from nhictl.core.policy.facts import FACT_TYPES
from nhictl.core.policy.plan import Rule, bind, compile_clause
from nhictl.core.policy.resource import Refused
from nhictl.core.policy.types import ArgType

if TYPE_CHECKING:
    from collections.abc import Callable

    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.compiled import Policy

__all__ = ["SAME_MARK", "Literal", "Literals", "Side"]

SAME_MARK = "same_as "
_STRING = ArgType("string")
_GROUPS = ArgType("list", item=_STRING)


class Side:
    """A policy as it applies to one tool: the policy, its number in the question, the tool (None: not declared)."""

    __slots__ = ("classes", "number", "policy", "tool")

    def __init__(self, number: int, policy: Policy, name: str) -> None:
        self.number = number
        self.policy = policy
        self.tool: Tool | None = policy.tool(name)
        self.classes: tuple[str, ...] = (
            tuple(gate.name for gate in policy.gates(self.tool)) if self.tool is not None else ()
        )


class Literal:
    """One condition with the answer it has to give. `atoms` are the conditions on a single value that it is made of,
    `window` and `end` what it reads of time, `ranked` whether it reads a resource's sensitivity.
    """

    __slots__ = ("atoms", "axis", "condition", "end", "may", "number", "op", "operand", "path", "ranked", "run", "side",
                 "window")  # fmt: skip

    def __init__(
        self, number: int, side: Side, path: str, axis: str, op: str, operand: Any, run: Callable[[Any], int], *, may: bool
    ) -> None:  # fmt: skip
        self.number = number
        self.side = side
        self.path = path
        self.axis = axis
        self.op = op
        self.operand = operand
        self.run = run
        self.may = may
        self.atoms: list[Condition] = []
        self.condition: Condition | None = None
        self.window: tuple[dict[str, Any], str] | None = None
        self.end: int | None = None
        self.ranked = path == "data.sensitivity"

    @property
    def anyhow(self) -> bool:
        """Whether any element of a list will do, not only every one."""
        return self.may or self.op == "any_of"

    def met(self, facts: Any) -> bool:
        """Whether it gives the answer it has to."""
        result = self.run(facts)
        return result != FALSE if self.may else result == TRUE


class Literals:
    """Makes the literals of one tool, each once; `known_agents` says that agents come from a registry.

    `most_any` counts, by fact, how many conditions of one box are content with any element of a list.
    """

    def __init__(self, *, known_agents: bool) -> None:
        self.all: list[Literal] = []
        self.most_any: dict[str, int] = {}
        self._known_agents = known_agents
        self._made: dict[tuple[int, bool, str], Literal] = {}

    def rule(self, rule: Rule, side: Side) -> list[list[Literal]]:
        """A rule's boxes: one for each alternative of its `any`, or just one."""
        may = rule.effect == "forbid"
        base = [self._matched(test, side, may=may) for test in rule.static]
        dynamic = list(rule.dynamic)
        if "intents" in rule.form["match"]:
            base.append(self._matched(dynamic.pop(0), side, may=may))
        base += [self._clause(clause, side, dynamic.pop(0), may=may) for clause in rule.form["all"]]
        made = []
        for clauses, tests in zip(rule.form["any"], dynamic[0].boxes or [] if dynamic else [], strict=True):
            box = [self._clause(clause, side, test, may=may) for clause, test in zip(clauses, tests, strict=True)]
            made.append(base + box)
        made = made or [base]
        for box in made:
            held = [literal.axis for literal in box if literal.anyhow]
            for axis in set(held):
                self.most_any[axis] = max(self.most_any.get(axis, 0), held.count(axis))
        return made

    def envelope(self, form: dict[str, Any], ends_us: int | None, side: Side) -> list[Literal]:
        """A guardrail's box: its conditions, and before it expires unless `ends_us` is None."""
        made = [self._clause(clause, side, None, may=False) for clause in form["all"]]
        if ends_us is None:
            return made
        key = (side.number, False, f"before {ends_us}")
        if key not in self._made:
            run = lambda facts: TRUE if facts.now_us < ends_us else FALSE  # noqa: E731
            literal = self._new(key, side, "time", "before", ends_us, run, may=False)
            literal.end = ends_us
        return [*made, self._made[key]]

    def _matched(self, test: Any, side: Side, *, may: bool) -> Literal:
        key = (side.number, may, f"{test.path} {test.op} {test.operand!r}")
        known = self._made.get(key)
        if known is not None:
            return known
        made = self._new(key, side, test.path, test.op, test.operand, test.run, may=may)
        if test.op in ("in", "any_of"):
            of = _GROUPS if test.op == "any_of" else _STRING
            exact = [text for text in test.operand if "*" not in text or test.op == "any_of"]
            made.atoms = [Condition(test.path, "in", exact, of)] if exact else []
            made.atoms += [Condition(test.path, "glob", text, of) for text in test.operand if text not in exact]
        elif test.path == "agent.trust":
            made.atoms = [Condition(test.path, test.op, test.operand, FACT_TYPES["agent.trust"])]
        return made

    def _clause(self, clause: list[Any], side: Side, test: Any, *, may: bool) -> Literal:
        key = (side.number, may, repr(clause))
        known = self._made.get(key)
        if known is not None:
            return known
        if side.tool is None:
            raise Refused("is not declared")
        zone = side.policy.timezone
        if test is None:
            test = compile_clause(clause, side.tool, zone, forbid=may)
        made = self._new(key, side, clause[0], clause[1], clause[2], test.run, may=may)
        if clause[0] == "time":
            made.window = (clause[2], zone)
        else:
            made.condition = bind(clause, side.tool)
            if made.condition.domain is not None and not made.ranked:
                made.atoms = [made.condition]
        return made

    def _new(
        self, key: tuple[int, bool, str], side: Side, path: str, op: str, operand: Any, run: Any, *, may: bool
    ) -> Literal:
        made = Literal(len(self.all), side, path, self._axis(path, op, operand), op, operand, run, may=may)
        self._made[key] = made
        self.all.append(made)
        return made

    def _axis(self, path: str, op: str, operand: Any) -> str:
        """The fact that decides a condition; facts that are read off others go with these."""
        if op == "same_as":
            return f"{SAME_MARK}{path} {operand}"
        if path in ("tool", "class"):
            return ""
        if path == "data.sensitivity":
            return "resource"
        if self._known_agents and (path == "env" or path.startswith("agent.")):
            return "agent"
        if path == "agent.state":
            return ""
        return "agent.env" if path == "env" else path
