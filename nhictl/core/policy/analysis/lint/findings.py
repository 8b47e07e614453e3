"""The findings that lint can make, as data: id, level, and what each means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from nhictl.core.policy.algebra.witness import Witness
    from nhictl.core.policy.decide import Decision
    from nhictl.core.policy.places import Place

__all__ = ["LEVELS", "LINT_RULES", "Finding", "LintRule"]

LEVELS: Final = ("error", "warning", "note")


class LintRule(NamedTuple):
    """A kind of finding: its level, and one line about it."""

    level: str
    summary: str


LINT_RULES: Final[dict[str, LintRule]] = {
    "assertion-violated": LintRule("error", "an assertion does not hold: a call that must never be allowed may be"),
    "unsupported-obligation": LintRule(
        "error", "an obligation that the enforcement point cannot perform denies the call"
    ),
    "undecided": LintRule(
        "warning", "a question could not be answered within its bounds; for an assertion this is an error"
    ),
    "never-matches": LintRule("warning", "no call can meet a rule's conditions"),
    "permit-fully-forbidden": LintRule("warning", "whatever a permit allows, forbids deny"),
    "permit-redundant": LintRule("warning", "whatever a permit allows, other permits allow with the same obligations"),
    "forbid-without-effect": LintRule("note", "nothing that a forbid denies would be allowed without it"),
    "over-broad": LintRule("warning", "a permit that any agent, any tool or any resource meets"),
    "high-impact-ungated": LintRule("warning", "a call of a high-impact class is permitted outside every guardrail"),
    "sensitivity-above-trust": LintRule("warning", "an agent may touch data of a sensitivity above its trust"),
    "permit-forbid-overlap": LintRule("note", "forbids deny a part of what a permit allows"),
    "hangs-on-optional": LintRule("warning", "whether a forbid applies hangs on a value that a call may leave out"),
    "needs-optional": LintRule("note", "a permit applies only where an optional value is given"),
    "limit-unreachable": LintRule(
        "warning", "a limit counts no call that is allowed, or another one always holds first"
    ),
    "args-open": LintRule("warning", "a tool takes undeclared arguments, which no condition can read"),
    "denies-everything": LintRule("warning", "no call at all is allowed"),
    "tool-uncallable": LintRule("warning", "nobody may call a tool"),
    "agent-without-permit": LintRule("warning", "an agent may call nothing"),
    "duplicate-rule": LintRule("warning", "two rules say the same"),
    "guardrail-expired": LintRule("warning", "a guardrail is no longer in force"),
}


class Finding(NamedTuple):
    """One finding: what kind, about what (`kind`, `name`), where, in words; `witness` is a request that shows it, and
    `decision` what the evaluator says to it.
    """

    rule: str
    level: str
    kind: str
    name: str
    message: str
    place: Place | None = None
    witness: Witness | None = None
    decision: Decision | None = None
    related: tuple[str, ...] = ()

    def to_json(self, *, known: bool) -> dict[str, Any]:
        """`{rule, level, subject, message, file, line, column, related, witness, agent, decision}`, without what it lacks."""
        made: dict[str, Any] = {
            "rule": self.rule, "level": self.level, "subject": {"kind": self.kind, "name": self.name},
            "message": self.message,
        }  # fmt: skip
        if self.place is not None:
            made |= {"file": self.place.file, "line": self.place.line, "column": self.place.column}
        if self.related:
            made["related"] = list(self.related)
        if self.witness is not None:
            shown = self.witness.to_json(known=known)
            made["witness"] = shown.pop("request")
            made |= shown
        if self.decision is not None:
            made["decision"] = {
                "decision": "allow" if self.decision.allowed else "deny",
                "reason": self.decision.reason,
            }
            made["decision"]["rules"] = self.decision.rules
        return made
