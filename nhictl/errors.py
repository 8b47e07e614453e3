"""One tree of errors: what was wrong, what to do next, and the exit status, kept apart.

A *verdict* (a denied call, a rejected token, a tampered log) is a value, never one of these. These are for what stops
a command from answering at all. Exit statuses are those of the interface contract; `cli` is the one place that turns
an error into an exit.
"""

from __future__ import annotations

from typing import Any


class NhictlError(Exception):
    """Base of all of them: `message` in lower case without a full stop, `hint` what to do next, `details` for machines."""

    exit = 70
    code = "internal_error"

    def __init__(
        self, message: str, *, code: str | None = None, hint: str | None = None, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details or {}
        if code is not None:
            self.code = code


class RefusedError(NhictlError):
    """The answer is no: whoever asks may not do this (exit 1). The attempt is recorded where it says so."""

    exit = 1
    code = "not_allowed"


class InputError(NhictlError):
    """The caller's input is malformed: an option, a policy, a registry, a batch line (exit 2).

    `file`, `line` and `column` (both from 1) stand in front of the message and in `details` where they are known.
    """

    exit = 2
    code = "invalid_input"

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
        code: str | None = None,
        hint: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        place = ":".join(str(part) for part in (file, line, column) if part is not None)
        known = {k: v for k, v in (("file", file), ("line", line), ("column", column)) if v is not None}
        super().__init__(
            f"{place}: {message}" if place else message, code=code, hint=hint, details={**known, **(details or {})}
        )
        self.bare_message = message


class UndecidableError(NhictlError):
    """Facts are missing, stale, erased, or a key is unknown (exit 3)."""

    exit = 3
    code = "undecidable"


class NotFoundError(NhictlError):
    """Nothing matched: no such agent, task or token (exit 4)."""

    exit = 4
    code = "not_found"


class ConflictError(NhictlError):
    """The state does not allow it: exists already, task closed, lock not had in time (exit 5)."""

    exit = 5
    code = "conflict"


class UnsafeError(NhictlError):
    """Our own house is not safe: loose permissions, a tampered store, a newer schema (exit 6)."""

    exit = 6
    code = "unsafe"


class UnavailableError(NhictlError):
    """Store or log cannot be written, so nothing was done (exit 7)."""

    exit = 7
    code = "unavailable"
