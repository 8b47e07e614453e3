"""What became of one call between two policies, or between what was recorded and a policy: its class, and the row about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nhictl.core.policy.outcomes import Judgement

if TYPE_CHECKING:
    from nhictl.core.replay.event import Event

__all__ = ["CLASSES", "Row", "change_of", "elsewhere", "position", "recorded", "row_of"]

CLASSES: Final = ("unchanged", "gained", "revoked", "maybe_gained", "maybe_revoked", "unknown", "error")
POLICY_REASONS: Final = frozenset(
    ["permitted", "forbidden", "not_permitted", "approval_required", "limit_exceeded", "invalid_request", "tool_drift"]
)
_CHANGES: Final = {
    ("deny", "allow"): "gained",
    ("allow", "deny"): "revoked",
    ("deny", "unknown"): "maybe_gained",
    ("unknown", "allow"): "maybe_gained",
    ("allow", "unknown"): "maybe_revoked",
    ("unknown", "deny"): "maybe_revoked",
    ("unknown", "unknown"): "unknown",
}


def change_of(old: str, new: str) -> str:
    """The class of a change between two of allow, deny and unknown."""
    return _CHANGES.get((old, new), "unchanged")


class Row(NamedTuple):
    """One call: who asked for what where, and what both sides say; `reason`, `rules` and `missing` are the new side's."""

    event: Event
    old: str
    new: str
    change: str
    reason: str
    rules: list[str]
    old_reason: str | None
    old_rules: list[str]
    classes: tuple[str, ...]
    missing: tuple[str, ...]
    message: str | None
    prevented_by: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """The contract's members, then what else is known."""
        event = self.event
        made: dict[str, Any] = {
            "run": event.run, "n": event.n, "tool": event.tool, "old": self.old, "new": self.new, "change": self.change,
            "reason": self.reason, "rules": self.rules, "agent": event.agent, "task": event.task, "time": event.time,
            "position": position(event),
        }  # fmt: skip
        optional: dict[str, Any] = {
            "old_reason": self.old_reason, "old_rules": self.old_rules, "classes": list(self.classes),
            "missing": list(self.missing), "message": self.message, "prevented_by": self.prevented_by,
        }  # fmt: skip
        return made | {name: value for name, value in optional.items() if value}


def position(event: Event) -> dict[str, Any]:
    """Where a record stands: in a foreign file what its importer says, in a log of ours its number."""
    source = {k: v for k, v in (event.source or {}).items() if k not in {"sha256", "file", "imp"}}
    return {"seq": event.seq, **source} if event.seq is not None else source


def recorded(event: Event) -> Judgement | None:
    """The decision that a record carries; None where it carries none."""
    told = event.decision
    if not isinstance(told, dict):
        return None
    effect = told.get("effect", told.get("decision"))
    if effect not in {"allow", "deny"}:
        return None
    rules = told.get("rules")
    named = [rule for rule in rules if isinstance(rule, str)] if isinstance(rules, list) else []
    return Judgement(effect, str(told.get("reason") or ""), named)


def elsewhere(event: Event) -> Judgement | None:
    """A denial that was no policy's: of a dead token, of what its scope does not cover. No policy would have changed it."""
    told = recorded(event)
    if told is None or told.decision != "deny" or event.decision is None:
        return None
    own = told.reason in POLICY_REASONS and (told.reason != "limit_exceeded" or "pdig" in event.decision)
    return None if own else told


def row_of(event: Event, old: Judgement, new: Judgement, change: str) -> Row:
    """The row of one call."""
    return Row(
        event, old.decision, new.decision, change, new.reason, new.rules, old.reason or None, old.rules,
        new.classes or old.classes, new.missing or old.missing, new.message,
    )  # fmt: skip
