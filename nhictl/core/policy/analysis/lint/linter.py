"""What the findings about one policy ask: its sets by tool, made once, and whether calls of some kind are allowed.

A question is asked of each tool of a rule. It is answered by the first call that is found, or denied when no tool has one;
where a tool stays undecided, so does the answer, unless another has such a call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from nhictl.core.policy.algebra.budget import UndecidedError
from nhictl.core.policy.algebra.search import intersect
from nhictl.core.policy.analysis.sets import APPROVABLE, Held, Sets, outcome
from nhictl.core.policy.condition import FALSE, TRUE
from nhictl.core.policy.decide import gather
from nhictl.core.policy.plan import Rule
from nhictl.core.policy.types import SENSITIVITY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from nhictl.core.policy.algebra.search import Shelf
    from nhictl.core.policy.algebra.witness import Witness
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.decide import Decision
    from nhictl.core.policy.places import Place, Places
    from nhictl.core.policy.registry import Agent

__all__ = ["Answer", "Linter", "Shown", "Table"]


class Shown(NamedTuple):
    """A call that answers a question, and what the evaluator decides about it."""

    witness: Witness
    decision: Decision


class Answer(NamedTuple):
    """What was found; `why` says what stood in the way where nothing was found and that is not certain."""

    found: Shown | None = None
    why: str = ""

    @property
    def proven(self) -> bool:
        """Whether there certainly is nothing."""
        return self.found is None and not self.why


class Table(NamedTuple):
    """The sets of one tool with its permits and forbids to be taken away; `places` numbers a rule's boxes among them."""

    sets: Sets
    permits: list[Held]
    forbids: list[Held]
    shelf: Shelf
    places: dict[str, frozenset[int]]
    rules: dict[str, Rule]


class Linter:
    """One policy under examination, by these agents or, with None, by any there may be, from `now_us` on."""

    def __init__(self, policy: Policy, agents: Sequence[Agent] | None, now_us: int, places: Places | None) -> None:
        self.policy = policy
        self.agents = agents
        self.now_us = now_us
        self._places = places
        self._tables: dict[str, Table | str] = {}
        self.assertions = [
            _as_rule(form, f"\0assertion {n}", "forbid") for n, form in enumerate(policy.form.get("assertions", ()))
        ]
        self.limits = {
            form["id"]: _as_rule(form, f"\0limit {form['id']}", "forbid") for form in policy.form.get("limits", ())
        }
        self._above_trust = [_as_rule(_above(trust), f"\0trust {trust}", "permit") for trust in range(3)]

    def place(self, kind: str, name: str) -> Place | None:
        """Where something was declared."""
        return self._places.find(kind, name) if self._places is not None else None

    def table(self, name: str) -> Table:
        """The sets of a tool; UndecidedError where they cannot be made."""
        found = self._tables.get(name)
        if found is None:
            try:
                found = self._table(name)
            except UndecidedError as e:
                found = str(e)
            self._tables[name] = found
        if isinstance(found, str):
            raise UndecidedError(found)
        return found

    def _table(self, name: str) -> Table:
        tool = self.policy.tool(name)
        also = []
        if tool is not None:
            forms = [form for form in (*self.assertions, *self.limits.values()) if name in form["tools"]]
            forms += self._above_trust if tool.resource is not None and self.policy.form["data"] else []
            also = [Rule(form, tool, self.policy.timezone) for form in forms]
        sets = Sets(name, [self.policy], self.agents, self.now_us, [also], lasting=True)
        permits, forbids = sets.permits(0), sets.forbids(0)
        rules = {rule.id: rule for rule in sets.rules(0)}
        places: dict[str, set[int]] = {}
        for number, held in enumerate([*forbids, *permits]):
            places.setdefault(held.rule.id, set()).add(number)
        shelf = sets.shelf([held.box for held in [*forbids, *permits]])
        return Table(sets, permits, forbids, shelf, {rule: frozenset(found) for rule, found in places.items()}, rules)

    def rules(self, effect: str) -> Iterator[dict[str, Any]]:
        """The rules of one effect, by id."""
        return (form for form in self.policy.form["rules"] if form["effect"] == effect)

    def rule(self, table: Table, name: str) -> Rule:
        """A rule compiled for the tool of a table."""
        return table.rules[name]

    def applies(self, table: Table, form: dict[str, Any], asked: Witness) -> bool:
        """Whether a rule applies to a call, by the tests that the evaluator runs."""
        facts, _ = gather(self.policy, asked.agent, asked.request)
        results = [test.run(facts) for test in self.rule(table, form["id"]).tests]
        if form["effect"] == "forbid":
            return FALSE not in results
        return all(result == TRUE for result in results)

    def boxes_of(self, table: Table, form: dict[str, Any]) -> list[Held]:
        """The boxes of an assertion or of another form that was read beside the rules."""
        tool = self.policy.tool(table.sets.name)
        return table.sets.boxes(0, Rule(form, tool, self.policy.timezone)) if tool is not None else []

    def above_trust(self, table: Table) -> list[Held]:
        """The calls by an agent on data of a sensitivity above its trust."""
        tool = self.policy.tool(table.sets.name)
        if tool is None or tool.resource is None or not self.policy.form["data"]:
            return []
        return [held for form in self._above_trust for held in self.boxes_of(table, form)]

    def own(self, table: Table, form: dict[str, Any]) -> list[Held]:
        """The boxes of a rule that some call can meet."""
        places = table.places.get(form["id"], frozenset())
        every = len(table.forbids)
        return [table.forbids[n] if n < every else table.permits[n - every] for n in sorted(places)]

    def first(
        self, tools: Iterable[str], ask: Callable[[Table], Iterator[tuple[Sets, Witness]]]
    ) -> Answer:  # fmt: skip
        """The first call that `ask` finds for one of the tools."""
        why = ""
        for name in tools:
            try:
                for sets, found in ask(self.table(name)):
                    return Answer(Shown(found, sets.decide(0, found)))
            except UndecidedError as e:
                why = why or str(e)
        return Answer(None, why)

    def allowed(
        self, table: Table, held: Iterable[Held], *, besides: frozenset[int] = frozenset()
    ) -> Iterator[tuple[Sets, Witness]]:
        """Calls in these boxes that are allowed, at least with approvals, if the forbids at the places `besides` were not.

        A witness is confirmed by the evaluator, which knows no rule to be missing: with `besides` it has to be denied by
        these alone.
        """
        but = besides | frozenset(range(len(table.forbids), len(table.forbids) + len(table.permits)))
        lifted = {table.forbids[n].rule.id for n in besides}

        def holds(asked: Witness) -> bool:
            decision = table.sets.decide(0, asked)
            if not lifted:
                return outcome(decision) is not None
            return decision.reason == "forbidden" and lifted.issuperset(decision.rules)

        doubt: UndecidedError | None = None
        for one in table.sets.gated(0, list(held), APPROVABLE):
            try:
                for part in table.sets.left(one.box, table.shelf, holds, but=but):
                    yield table.sets, part.witness
            except UndecidedError as e:
                doubt = e
        if doubt is not None:
            raise doubt


def meets(one: Iterable[Held], other: Sequence[Held]) -> list[Held]:
    """What lies in a box of each, by the rule of the first."""
    return [
        Held(a.rule, box) for a in one for b in other for box in [intersect(a.box, b.box)] if box is not None
    ]  # fmt: skip


def _above(trust: int) -> dict[str, Any]:
    return {"all": [["agent.trust", "eq", trust], ["data.sensitivity", "gt", SENSITIVITY[trust]]]}


def _as_rule(form: dict[str, Any], name: str, effect: str) -> dict[str, Any]:
    blank = {"match": {}, "all": [], "any": [], "tools": [], "obligations": [], "description": "", "owner": ""}
    return {**blank, **form, "id": name, "effect": effect}
