"""The verdict on a token: valid, or the one reason and the step that gave it."""

from __future__ import annotations

from typing import Any, Final

UNDECIDABLE: Final = frozenset({"status_list_unavailable", "status_list_stale", "use_required", "indeterminate"})


class RejectedError(Exception):
    """Inside verification: step `step` refuses with reason code `reason`; `message` is for people."""

    def __init__(self, step: int, reason: str, message: str = "") -> None:
        super().__init__(reason)
        self.step = step
        self.reason = reason
        self.message = message


class Verdict:
    """What verification answers. `claims` only when the signature held; `decision` when an action was asked about."""

    __slots__ = ("age_s", "claims", "decision", "message", "reason", "source", "step")

    def __init__(
        self,
        reason: str,
        step: int,
        *,
        claims: dict[str, Any] | None = None,
        message: str = "",
        source: str = "none",
        age_s: int = 0,
        decision: dict[str, Any] | None = None,
    ) -> None:
        self.reason = reason
        self.step = step
        self.claims = claims
        self.message = message
        self.source = source
        self.age_s = age_s
        self.decision = decision

    @property
    def valid(self) -> bool:
        """Whether the token (and the action asked about, if any) is good."""
        return self.reason == "valid"

    @property
    def exit(self) -> int:
        """0 valid, 1 rejected, 3 cannot be decided; a clock that went back is our own house: 6."""
        if self.valid:
            return 0
        if self.reason == "clock_regressed":
            return 6
        return 3 if self.reason in UNDECIDABLE else 1

    def to_json(self) -> dict[str, Any]:
        """The members of `nhictl.verdict/v1`; claims only of a valid token."""
        body: dict[str, Any] = {"valid": self.valid, "reason": self.reason, "step": self.step}
        if self.message:
            body["message"] = self.message
        if self.valid:
            body["claims"] = self.claims
        body["status"] = {"source": self.source, "age_s": self.age_s}
        if self.decision is not None:
            body["decision"] = self.decision
        return body
