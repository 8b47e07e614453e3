"""Findings about single rules: whether they match, do anything that no other rule does, and what they open."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nhictl.core.policy.algebra.budget import UndecidedError
from nhictl.core.policy.algebra.search import intersect
from nhictl.core.policy.analysis.lint.findings import LINT_RULES, Finding
from nhictl.core.policy.analysis.lint.linter import Answer, Linter, Shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nhictl.core.policy.algebra.witness import Witness
    from nhictl.core.policy.analysis.lint.linter import Table
    from nhictl.core.policy.analysis.sets import Held, Sets
    from nhictl.core.policy.plan import Rule

__all__ = [
    "about_rule",
    "finding",
    "matches",
    "matching",
    "optional_facts",
    "permit_findings",
    "read_facts",
    "undecided",
]

MAX_NAMED = 5
_PASSING = ("permitted", "approval_required")
Form = dict[str, Any]


def finding(linter: Linter, rule: str, kind: str, name: str, message: str, shown: Shown | None = None,
            related: tuple[str, ...] = (), level: str | None = None) -> Finding:  # fmt: skip
    """A finding of a kind, at the place of what it is about."""
    witness, decision = shown if shown is not None else (None, None)
    return Finding(
        rule, level or LINT_RULES[rule].level, kind, name, message, linter.place(kind, name), witness, decision, related
    )


def about_rule(linter: Linter, form: Form, rule: str, message: str, shown: Shown | None = None,
               related: tuple[str, ...] = ()) -> Finding:  # fmt: skip
    """A finding about a rule."""
    return finding(linter, rule, "rule", form["id"], message, shown, related)


def undecided(linter: Linter, form: Form, asked: str, answer: Answer) -> Iterator[Finding]:
    """Say that a question about a rule stays open, if it does."""
    if answer.why:
        yield about_rule(linter, form, "undecided", f"undecided whether {asked}: {answer.why}")


def _noted(
    linter: Linter, form: Form, rule: str, message: str, names: Iterable[str], answer: Answer, asked: str
) -> Iterator[Finding]:
    """A note where a call was found that shows it, else that the question stays open, if it does."""
    if answer.found is None:
        yield from undecided(linter, form, asked, answer)
    else:
        yield about_rule(linter, form, rule, message, answer.found, tuple(sorted(names)))


def matches(linter: Linter, form: Form) -> tuple[bool | None, str]:
    """Whether some call meets a rule's conditions, as far as its facts go; None and why where that is not decided."""
    why = ""
    for name in form["tools"]:
        try:
            table = linter.table(name)
            if linter.own(table, form):
                return True, ""
            why = why or table.sets.vague(table.sets.facts(0, linter.rule(table, form["id"])))
        except UndecidedError as e:
            why = why or str(e)
    return (None, why) if why else (False, "")


def matching(linter: Linter, table: Table, form: Form, *reasons: str) -> Iterator[tuple[Sets, Witness]]:
    """Calls that a rule matches and that get one of these reasons."""

    def holds(asked: Witness) -> bool:
        return table.sets.decide(0, asked).reason in reasons and linter.applies(table, form, asked)

    for held in linter.own(table, form):
        for part in table.sets.left(held.box, (), holds):
            yield table.sets, part.witness


def permit_findings(linter: Linter, form: Form, redundant: set[str]) -> Iterator[Finding]:
    """What is to be said about a permit; `redundant` has the permits found to be so, to which this one is added if it is."""
    alone = linter.first(form["tools"], lambda table: _alone(linter, table, form, redundant))
    if alone.found is None:
        free = linter.first(form["tools"], lambda table: _free(linter, table, form))
        if free.found is None:
            if free.why:
                yield from undecided(linter, form, "it permits anything that no forbid denies", free)
            else:
                shown = linter.first(
                    form["tools"], lambda table: matching(linter, table, form, "forbidden", "limit_exceeded")
                ).found
                names = _deniers(linter, form)
                message = f"permits nothing: forbids or limits deny all of it ({', '.join(names[:MAX_NAMED])})"
                yield about_rule(linter, form, "permit-fully-forbidden", message, shown, names)
                return
        elif alone.why:
            yield from undecided(linter, form, "other permits allow all of it", alone)
        else:
            redundant.add(form["id"])
            names = tuple(sorted(set(free.found.decision.rules) - {form["id"]} - redundant))
            message = f"other permits allow all that it allows, with its obligations ({', '.join(names[:MAX_NAMED])})"
            yield about_rule(linter, form, "permit-redundant", message, free.found, names)
    yield from _overlap(linter, form)
    yield from _needs(linter, form)


def _covers(one: Form, other: Form) -> bool:
    """Whether all obligations of `other` are among those of `one`."""
    if not other["obligations"]:
        return True
    had = {json.dumps(item, sort_keys=True) for item in one["obligations"]}
    return all(json.dumps(item, sort_keys=True) in had for item in other["obligations"])


def _alone(linter: Linter, table: Table, form: Form, redundant: set[str]) -> Iterator[tuple[Sets, Witness]]:
    """Calls that no other permit allows, of those that are still counted."""

    def counts(rule: Rule) -> bool:
        return rule.id != form["id"] and rule.id not in redundant and _covers(rule.form, form)

    def holds(asked: Witness) -> bool:
        decision = table.sets.decide(0, asked)
        return (
            decision.reason in _PASSING
            and form["id"] in decision.rules
            and not any(counts(table.rules[rule]) for rule in decision.rules)
        )

    every = len(table.forbids)
    for held in linter.own(table, form):
        near = table.shelf.near(held.box, table.places[form["id"]])
        taken = [box for number, box in near if number < every or counts(table.permits[number - every].rule)]
        for part in table.sets.left(held.box, taken, holds):
            yield table.sets, part.witness


def _free(linter: Linter, table: Table, form: Form) -> Iterator[tuple[Sets, Witness]]:
    """Calls that it permits and no forbid denies."""
    permits = frozenset(range(len(table.forbids), len(table.forbids) + len(table.permits)))

    def holds(asked: Witness) -> bool:
        decision = table.sets.decide(0, asked)
        return decision.reason in _PASSING and form["id"] in decision.rules

    for held in linter.own(table, form):
        for part in table.sets.left(held.box, table.shelf, holds, but=permits):
            yield table.sets, part.witness


def _near_forbids(table: Table, held: Held) -> list[Held]:
    permits = frozenset(range(len(table.forbids), len(table.forbids) + len(table.permits)))
    return [table.forbids[number] for number, _ in table.shelf.near(held.box, permits)]


def _deniers(linter: Linter, form: Form) -> tuple[str, ...]:
    tables = [linter.table(name) for name in form["tools"]]
    found = {one.rule.id for table in tables for held in linter.own(table, form) for one in _near_forbids(table, held)}
    return tuple(sorted(found))


def _overlap(linter: Linter, form: Form) -> Iterator[Finding]:
    """One note on a permit of which forbids deny a part, with a call that one of them denies."""
    names: dict[str, None] = {}

    def ask(table: Table) -> Iterator[tuple[Sets, Witness]]:
        for held in linter.own(table, form):
            for forbid in _near_forbids(table, held):
                if forbid.rule.id in linter.limits:
                    continue
                names[forbid.rule.id] = None
                both = intersect(held.box, forbid.box)
                if both is None:
                    continue

                def holds(asked: Witness, rule: str = forbid.rule.id) -> bool:
                    return rule in table.sets.decide(0, asked).rules and linter.applies(table, form, asked)

                for part in table.sets.left(both, (), holds):
                    yield table.sets, part.witness

    answer = linter.first(form["tools"], ask)
    message = f"forbids deny a part of it ({', '.join(sorted(names)[:MAX_NAMED])})"
    yield from _noted(linter, form, "permit-forbid-overlap", message, names, answer, "forbids deny a part of it")


def optional_facts(table: Table, held: Held) -> Iterator[tuple[str, int, bool]]:
    """Facts of a box that a call may leave out: the value that stands for absence, and whether it meets the box."""
    for axis, bits in held.box.items():
        if not axis.startswith(("args.", "context.", "agent.labels.")):
            continue
        absent = table.sets.grid.absent(axis)
        if absent and bits != absent:
            yield axis, absent, bool(bits & absent)


def _needs(linter: Linter, form: Form) -> Iterator[Finding]:
    """Optional values without which a permit does not apply."""
    told: set[str] = set()

    def ask(table: Table) -> Iterator[tuple[Sets, Witness]]:
        for held in linter.own(table, form):
            for axis, absent, met in optional_facts(table, held):
                if met or axis in told or axis not in read_facts(form):
                    continue
                without = {**held.box, axis: absent}

                def holds(asked: Witness) -> bool:
                    return table.sets.decide(0, asked).reason == "not_permitted"

                for part in table.sets.left(without, table.shelf, holds, but=table.places[form["id"]]):
                    told.add(axis)
                    yield table.sets, part.witness
                    break

    answer = linter.first(form["tools"], ask)
    message = f"does not apply where {_listed(told)} is left out or empty"
    yield from _noted(
        linter, form, "needs-optional", message, told, answer, "it applies where an optional value is left out"
    )


def read_facts(form: Form) -> set[str]:
    """The facts of which a rule asks more than whether they are there."""
    clauses = [*form["all"], *(clause for box in form["any"] for clause in box)]
    return {clause[0] for clause in clauses if clause[1] != "has"}


def _listed(names: set[str]) -> str:
    return " or ".join(sorted(names))
