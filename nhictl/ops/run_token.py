"""The token of a run: issued, handed over, and replaced before it expires for as long as the task allows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final

from nhictl.core import times
from nhictl.errors import ConflictError, NhictlError
from nhictl.ops.house import House
from nhictl.ops.issue_token import issue_token
from nhictl.ops.run_handover import Handover

_SPENT: Final = 2 / 3
"""The part of a token's life after which it is replaced."""
_AGAIN_S: Final = 10.0
_PATIENCE_S: Final = 2.0
_FINAL: Final = frozenset(
    {"task_closed", "task_killed", "lease_lost", "agent_retired", "agent_expired", "task_tokens_exhausted"}
)
"""Refusals that no second try will change."""


class Tokens:
    """The newest token, and when there has to be a newer one. `say` tells people what they should know."""

    def __init__(
        self, house: House, task: str, deadline_us: int, audience: str, ttl_s: int | None, say: Callable[[str], None]
    ) -> None:
        self._house = house
        self.task = task
        self._last_s = deadline_us // 1_000_000
        self._audience = audience
        self._ttl_s = ttl_s
        self._say = say
        self._due_us: int | None = None
        self._ends_us = 0
        self._said = ""
        self._handover: Handover | None = None

    def first(self) -> str:
        """Issue the first one; every error of issuing is let through."""
        return self._issue()

    def renew_into(self, handover: Handover) -> None:
        """From now on `beat` puts newer tokens there. Without this they are not renewed."""
        self._handover = handover

    def beat(self) -> float | None:
        """Renew if it is time; returns the seconds until there is something to do, None if there never will be."""
        if self._handover is None or self._due_us is None:
            return None
        if self._house.clock() >= self._due_us:
            self._renew(self._handover)
            if self._due_us is None:
                return None
        return (self._due_us - self._house.clock()) / 1_000_000

    def stop(self) -> None:
        """The task has ended: what the command still holds is worth nothing, and it can see so."""
        self._due_us = None
        if self._handover is not None:
            with contextlib.suppress(OSError):
                self._handover.put("")

    def _issue(self) -> str:
        began = self._house.clock()
        issued, _ = issue_token(self._house, self.task, self._audience, ttl_s=self._ttl_s)
        self._house.close()  # no process is started, and no hour is waited, with the database open
        ends = times.parse_time(issued.expires, began)
        self._ends_us = ends
        last = ends // 1_000_000 >= self._last_s  # no other could live longer
        self._due_us = None if last else began + int((ends - began) * _SPENT)
        return issued.token

    def _renew(self, handover: Handover) -> None:
        patience, self._house.lock_timeout = self._house.lock_timeout, _PATIENCE_S
        try:
            handover.put(self._issue())
            self._said = ""
        except (NhictlError, OSError) as e:
            code = e.code if isinstance(e, NhictlError) else type(e).__name__
            if code != self._said:
                self._said = code
                self._say(f"the token could not be renewed: {e}")
            if isinstance(e, ConflictError) and code in _FINAL:
                self.stop()
                return
            now = self._house.clock()
            left = max(self._ends_us - now, 0) / 1_000_000
            self._due_us = now + int(min(max(left / 4, 0.2), _AGAIN_S) * 1_000_000)
        finally:
            self._house.lock_timeout = patience
            self._house.close()
