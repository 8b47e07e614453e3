"""How each host is answered before a call, and what it does with what is no answer.

Both block on exit 2 with a reason on standard error, and let the call run on any other status but 0: 2 is the one way to
fail. At exit 0 both read JSON; Codex takes nothing but a denial there (`allow` and `ask` are reported as errors and the
call runs), so silence is how it is told to go on, and what needs approval is denied with the number to approve.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

BLOCK: Final = 2
"""The exit status that blocks, in every host here."""


class Host(NamedTuple):
    """A coding agent: its name on the command line, and whether it can be told `allow` and `ask` in so many words."""

    name: str
    says_allow: bool
    can_ask: bool


HOSTS: Final = {
    "claude-code": Host("claude-code", says_allow=True, can_ask=True),
    "codex": Host("codex", says_allow=False, can_ask=False),
}


def answer(host: Host, decision: str, reason: str) -> dict[str, Any] | None:
    """What the host is to read at exit 0: `decision` is `allow`, `deny` or `ask`; None for nothing at all."""
    if decision == "ask" and not host.can_ask:
        decision = "deny"
    if decision == "allow" and not host.says_allow:
        return None
    said = {"hookEventName": "PreToolUse", "permissionDecision": decision, "permissionDecisionReason": reason}
    return {"hookSpecificOutput": said}
