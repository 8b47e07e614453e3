"""What an event amounts to, in one of six words that a picture can show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nhictl.core.replay.event import Event

KINDS: Final = ("denied", "error", "unknown", "ends", "ok", "other")
"""The worst first: what stands for several at once is the first of them."""

_ENDS: Final = frozenset(
    [
        "token.revoked",
        "task.killed",
        "agent.suspended",
        "agent.retired",
        "instance.suspended",
        "authority.frozen",
        "lease.lost",
        "key.tainted",
        "key.revoked",
        "credential.revoked",
        "log.redacted",
        "trust.removed",
    ]
)
_ACTS: Final = frozenset({"tool.called", "tool.returned", "token.used", "token.denied", "token.presented"})


def kind(event: Event) -> str:
    """`denied` (also: not executed), `error`, `unknown` outcome, `ends` authority, an act that went `ok`, or `other`."""
    if event.outcome in ("denied", "not_executed"):
        return "denied"
    if event.outcome == "error":
        return "error"
    if event.type in _ENDS:
        return "ends"
    if event.n is None and event.type not in _ACTS:
        return "other"
    return "ok" if event.outcome == "ok" else "unknown"
