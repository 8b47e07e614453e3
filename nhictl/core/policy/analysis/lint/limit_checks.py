"""Findings about limits: whether one is ever reached, by the calls that it counts or before another that is as strict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.analysis.lint.rule_checks import finding
from nhictl.core.policy.cost import read_amount

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nhictl.core.policy.algebra.witness import Witness
    from nhictl.core.policy.analysis.lint.findings import Finding
    from nhictl.core.policy.analysis.lint.linter import Linter, Table
    from nhictl.core.policy.analysis.sets import Sets

__all__ = ["limit_findings"]

_COUNTED = ("calls", "spend", "bytes_out")
Form = dict[str, Any]


def limit_findings(linter: Linter) -> Iterator[Finding]:
    """Limits that no call can come up against: what they count is never allowed, or another one stops it before."""
    stated = linter.policy.form.get("limits", ())
    for form in stated:
        name = form["id"]
        if _denies_all(form):
            continue  # it is meant to stop whatever it matches, as a forbid does
        answer = linter.first(form["tools"], _counts(linter, linter.limits[name]))
        if answer.why:
            message = f"undecided whether it counts any call: {answer.why}"
            yield finding(linter, "undecided", "limit", name, message)
        elif answer.found is None:
            message = "never reached: no call that it counts is allowed"
            yield finding(linter, "limit-unreachable", "limit", name, message)
        elif (other := next((one for one in stated if _before(one, form)), None)) is not None:
            message = f"never reached: `{other['id']}` counts the same calls and allows no more of them"
            yield finding(linter, "limit-unreachable", "limit", name, message, answer.found, (other["id"],))


def _counts(linter: Linter, form: Form) -> Any:
    """Asks for calls that a limit counts and that are allowed, at least with approvals, while nothing was used."""
    from nhictl.core.policy.analysis.lint.linter import meets

    def ask(table: Table) -> Iterator[tuple[Sets, Witness]]:
        return linter.allowed(table, meets(table.permits, linter.boxes_of(table, form)))

    return ask


def _denies_all(form: Form) -> bool:
    return 0 in (form["calls"], form["bytes_out"])


def _before(one: Form, other: Form) -> bool:
    """Whether `one` never has room where `other` has not, for all that `other` counts; of two that are equal, the first."""
    if one["id"] == other["id"] or any(
        one[key] != other[key] for key in ("match", "tools", "all", "any", "per", "window_s")
    ):
        return False
    numbers = [(_number(one, key), _number(other, key)) for key in _COUNTED]
    if (one["spend"] or other["spend"] or {}).get("unit") != (other["spend"] or one["spend"] or {}).get("unit"):
        return False
    if any(theirs is not None and (mine is None or mine > theirs) for mine, theirs in numbers):
        return False
    return any(mine != theirs for mine, theirs in numbers) or one["id"] < other["id"]


def _number(form: Form, key: str) -> Any:
    return read_amount(form["spend"]["max"]) if key == "spend" and form["spend"] is not None else form[key]
