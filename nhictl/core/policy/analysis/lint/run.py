"""All findings about one policy, in the order of the document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nhictl.core.policy.analysis.lint.findings import LEVELS, Finding
from nhictl.core.policy.analysis.lint.forbid_checks import forbid_findings
from nhictl.core.policy.analysis.lint.limit_checks import limit_findings
from nhictl.core.policy.analysis.lint.linter import Linter
from nhictl.core.policy.analysis.lint.opening_checks import opening_findings
from nhictl.core.policy.analysis.lint.policy_checks import (
    agent_findings,
    assertion_findings,
    document_findings,
    obligation_findings,
    tool_findings,
)
from nhictl.core.policy.analysis.lint.rule_checks import about_rule, matches, permit_findings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.places import Places
    from nhictl.core.policy.registry import Agent

__all__ = ["lint"]


def lint(
    policy: Policy, agents: Sequence[Agent] | None, now_us: int, places: Places | None = None,
    supported: frozenset[str] | None = None,
) -> list[Finding]:  # fmt: skip
    """Everything there is to say, errors first. `agents` are those of a registry, None means any there may be;
    `supported` names the obligations that can be performed, None that it is not asked.
    """
    linter = Linter(policy, agents, now_us, places)
    found = [*assertion_findings(linter), *_rules(linter), *tool_findings(linter), *agent_findings(linter)]
    found += [*document_findings(linter), *limit_findings(linter)]
    if supported is not None:
        found += obligation_findings(linter, supported)
    return sorted(found, key=_order)


def _rules(linter: Linter) -> Iterator[Finding]:
    redundant: set[str] = set()
    idle: set[str] = set()
    for form in linter.policy.form["rules"]:
        holds, why = matches(linter, form)
        if holds is False:
            yield about_rule(linter, form, "never-matches", "no call can meet its conditions")
        elif holds is None:
            yield about_rule(linter, form, "undecided", f"undecided whether it matches any call: {why}")
        elif form["effect"] == "forbid":
            yield from forbid_findings(linter, form, idle)
        else:
            said = list(permit_findings(linter, form, redundant))
            yield from said
            if not any(one.rule == "permit-fully-forbidden" for one in said):
                yield from opening_findings(linter, form)


def _order(one: Finding) -> tuple[int, str, int, int, str, str]:
    place = one.place
    where = (place.file or "", place.line or 0, place.column or 0) if place is not None else ("", 0, 0)
    return LEVELS.index(one.level), *where, one.rule, one.name
