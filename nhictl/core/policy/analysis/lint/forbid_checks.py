"""Findings about forbids: whether they deny anything that would be allowed, and what absence makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.algebra.search import intersect
from nhictl.core.policy.analysis.lint.linter import meets
from nhictl.core.policy.analysis.lint.rule_checks import about_rule, matching, optional_facts, read_facts, undecided

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nhictl.core.policy.algebra.witness import Witness
    from nhictl.core.policy.analysis.lint.findings import Finding
    from nhictl.core.policy.analysis.lint.linter import Linter, Table
    from nhictl.core.policy.analysis.sets import Sets

__all__ = ["forbid_findings"]

Form = dict[str, Any]


def forbid_findings(linter: Linter, form: Form, idle: set[str]) -> Iterator[Finding]:
    """What is to be said about a forbid; `idle` has the forbids found to be without effect."""

    def ask(table: Table) -> Iterator[tuple[Sets, Witness]]:
        own = linter.own(table, form)
        if own:
            lifted = {form["id"]} | (idle & table.places.keys())
            besides = frozenset().union(*(table.places.get(rule, frozenset()) for rule in lifted))
            yield from linter.allowed(table, meets(table.permits, own), besides=besides)

    effect = linter.first(form["tools"], ask)
    if effect.proven:
        idle.add(form["id"])
        shown = linter.first(form["tools"], lambda table: matching(linter, table, form, "forbidden")).found
        yield about_rule(linter, form, "forbid-without-effect", "without it the same calls would be denied", shown)
    else:
        yield from undecided(linter, form, "it denies anything that would be allowed", effect)
        yield from _hangs(linter, form)


def _hangs(linter: Linter, form: Form) -> Iterator[Finding]:
    """Values that a call may leave out, where a forbid then applies though a value might have kept it from applying."""
    told: list[str] = []

    def ask(table: Table) -> Iterator[tuple[Sets, Witness]]:
        others = [held.box for held in table.forbids if held.rule.id != form["id"]]
        for held in linter.own(table, form):
            for axis, absent, met in optional_facts(table, held):
                if not met or axis not in read_facts(form):
                    continue
                for permit in table.permits:
                    both = intersect(intersect(held.box, permit.box) or {axis: 0}, {axis: absent})
                    kept = permit.box.get(axis, table.shelf.full[axis]) & ~held.box[axis]
                    if both is None or not kept or not permit.box.get(axis, absent) & absent:
                        continue

                    def holds(asked: Witness) -> bool:
                        return table.sets.decide(0, asked).rules == [form["id"]]

                    for part in table.sets.left(both, others, holds):
                        told.append(axis)
                        yield table.sets, part.witness

    shown = linter.first(form["tools"], ask).found
    if shown is not None:
        message = f"applies where {told[0]} is left out or empty; say `has: true` beside its condition if that should not count"
        yield about_rule(linter, form, "hangs-on-optional", message, shown, (told[0],))
