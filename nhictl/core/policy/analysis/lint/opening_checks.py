"""Findings about what a permit opens: how wide it is, which high-impact calls pass, which data whom it lets touch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.analysis.lint.linter import meets
from nhictl.core.policy.analysis.lint.rule_checks import about_rule, undecided
from nhictl.core.policy.types import SENSITIVITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nhictl.core.policy.algebra.witness import Witness
    from nhictl.core.policy.analysis.lint.findings import Finding
    from nhictl.core.policy.analysis.lint.linter import Linter, Table
    from nhictl.core.policy.analysis.sets import Sets

__all__ = ["opening_findings"]

Form = dict[str, Any]
_PASSING = ("permitted", "approval_required")


def opening_findings(linter: Linter, form: Form) -> Iterator[Finding]:
    """All of them, for a permit that allows something."""
    yield from _over_broad(linter, form)
    yield from _ungated(linter, form)
    yield from _above_trust(linter, form)


def _over_broad(linter: Linter, form: Form) -> Iterator[Finding]:
    """Any agent, any tool, or any resource though some are confidential; what else does not bound it is said beside."""
    match = form["match"]
    read = {clause[0] for clause in [*form["all"], *(c for box in form["any"] for c in box)]}
    declared = linter.policy.form["tools"]
    wide = []
    if not {"agents", "groups", "env", "min_trust"} & match.keys() and not any(
        path == "env" or path.startswith("agent.") for path in read
    ):
        wide.append("any agent")
    if len(form["tools"]) == len(declared) > 1:
        wide.append("any tool")
    if not {"resource", "data.sensitivity"} & read:
        reached = [
            name for name in form["tools"] if declared[name]["resource"] is not None and linter.policy.form["data"]
        ]
        if reached:
            wide.append(f"any resource of {reached[0]}, confidential and above")
    if not wide:
        return
    limited = {name for limit in linter.policy.form.get("limits", ()) for name in limit["tools"]}
    if not limited.issuperset(form["tools"]):
        wide.append("any number of calls")
    if "token.ttl_s" not in read:
        wide.append("any lifetime of the token")
    answer = linter.first(form["tools"], lambda table: _passing(linter, table, form))
    if answer.found is not None:
        yield about_rule(linter, form, "over-broad", f"lets through {', '.join(wide)}", answer.found)


def _passing(linter: Linter, table: Table, form: Form) -> Iterator[tuple[Sets, Witness]]:
    def holds(asked: Witness) -> bool:
        decision = table.sets.decide(0, asked)
        return decision.reason in _PASSING and form["id"] in decision.rules

    but = frozenset(range(len(table.forbids), len(table.forbids) + len(table.permits)))
    for held in linter.own(table, form):
        for part in table.sets.left(held.box, table.shelf, holds, but=but):
            yield table.sets, part.witness


def _ungated(linter: Linter, form: Form) -> Iterator[Finding]:
    """Calls of a class of high impact that lie in no guardrail: held up where the class requires one, else let through."""
    named: list[tuple[str, str | None]] = []

    def ask(table: Table) -> Iterator[tuple[Sets, Witness]]:
        def holds(asked: Witness) -> bool:
            decision = table.sets.decide(0, asked)
            return decision.reason in _PASSING and form["id"] in decision.rules

        forbids = [held.box for held in table.forbids]
        for name, requires, impact, rails in table.sets.gates(0):
            if impact != "high" or requires == "approval":
                continue
            for held in linter.own(table, form):
                for part in table.sets.left(held.box, [*forbids, *(rails if requires is not None else ())], holds):
                    named.append((name, requires))
                    yield table.sets, part.witness

    answer = linter.first(form["tools"], ask)
    if answer.found is None:
        yield from undecided(linter, form, "it permits a high-impact call outside every guardrail", answer)
        return
    name, requires = named[0]
    if requires is None:
        message = f"class `{name}` is of high impact and requires nothing: calls pass without guardrail or approval"
    elif requires == "guardrail":
        message = f"permits calls of high-impact class `{name}` that no guardrail in force contains: they are denied"
    else:
        message = (
            f"permits calls of high-impact class `{name}` that no guardrail in force contains: each needs an approval"
        )
    yield about_rule(linter, form, "high-impact-ungated", message, answer.found, (name,))


def _above_trust(linter: Linter, form: Form) -> Iterator[Finding]:
    def ask(table: Table) -> Iterator[tuple[Sets, Witness]]:
        def holds(asked: Witness) -> bool:
            decision = table.sets.decide(0, asked)
            return decision.reason in _PASSING and form["id"] in decision.rules

        but = frozenset(range(len(table.forbids), len(table.forbids) + len(table.permits)))
        for held in meets(linter.own(table, form), linter.above_trust(table)):
            for part in table.sets.left(held.box, table.shelf, holds, but=but):
                yield table.sets, part.witness

    answer = linter.first(form["tools"], ask)
    if answer.found is None:
        yield from undecided(linter, form, "it opens data of a sensitivity above an agent's trust", answer)
        return
    asked = answer.found.witness
    resource = answer.found.decision.resource
    rank = linter.policy.sensitivity_rank(resource) if resource is not None else None
    what = f"{SENSITIVITY[rank]} data" if rank is not None else "data"
    message = f"lets an agent of trust {asked.agent.trust} touch {what}"
    yield about_rule(linter, form, "sensitivity-above-trust", message, answer.found)
