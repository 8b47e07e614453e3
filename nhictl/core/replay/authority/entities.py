"""What the fold keeps of each agent, task, token and cut-off. Times are microseconds UTC; None is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nhictl.core import times


class Mark(NamedTuple):
    """A record that changed something: its time, its number in the log, the file the log stands in if it is one, its type."""

    us: int | None
    seq: int
    file: str | None
    type: str

    def ref(self) -> dict[str, Any]:
        """Where it is to be found, its type, its time."""
        place = {"seq": self.seq} if self.file is None else {"file": self.file, "seq": self.seq}
        return {**place, "type": self.type, "time": None if self.us is None else times.rfc3339(self.us)}


class Agent:
    """A registered agent. `history` holds every state with the record that made it, oldest first."""

    __slots__ = ("attrs", "expires_us", "history", "keys", "name", "state")

    def __init__(self, name: str, at: Mark) -> None:
        self.name = name
        self.state = "active"
        self.attrs: dict[str, Any] = {}
        self.expires_us: int | None = None
        self.keys: list[str] = []
        self.history: list[tuple[Mark, str]] = [(at, "active")]

    def state_at(self, us: int) -> str:
        """Its state at a moment: `unregistered` before it was registered."""
        found = "unregistered"
        for mark, state in self.history:
            if mark.us is not None and mark.us > us:
                break
            found = state
        return found


class Task:
    """A task. `scope` is its boxes in mapping form, None if the record's content is not at hand."""

    __slots__ = (
        "agent", "ci", "deadline_us", "digest", "ended", "ext", "id", "inst", "intent", "opened", "principal", "scope",
        "state",
    )  # fmt: skip

    def __init__(self, name: str, at: Mark) -> None:
        self.id = name
        self.opened = at
        self.ended: Mark | None = None
        self.state = "open"
        self.agent: str | None = None
        self.inst: str | None = None
        self.intent: str | None = None
        self.principal: str | None = None
        self.scope: list[Any] | None = None
        self.digest: str | None = None
        self.deadline_us: int | None = None
        self.ci: str | None = None
        self.ext: dict[str, Any] = {}


class Token:
    """A token. `scope` is what it narrows its parent's to; None: its task's, or, with `delegated`, not at hand."""

    __slots__ = (
        "act", "agent", "delegated", "digest", "expires_us", "ext", "inst", "issued", "jti", "kid", "parent", "revoked",
        "scope", "task", "uses",
    )  # fmt: skip

    def __init__(self, jti: str, at: Mark) -> None:
        self.jti = jti
        self.issued = at
        self.revoked: Mark | None = None
        self.task: str | None = None
        self.agent: str | None = None
        self.inst: str | None = None
        self.expires_us: int | None = None
        self.digest: str | None = None
        self.kid: str | None = None
        self.parent: str | None = None
        self.delegated = False
        self.scope: list[Any] | None = None
        self.act: list[str] = []
        self.uses = 0
        self.ext: Mapping[str, Any] = {}


class Cut(NamedTuple):
    """A cut-off: every token of what it names that was issued before it; `agent` and seconds of issue narrow it."""

    mark: Mark
    agent: str | None
    from_us: int | None
    to_us: int | None

    def hits(self, token: Token, agent: str | None) -> bool:
        """Whether it ends a token of what it names; `agent` is that of the token's task."""
        if token.issued.seq >= self.mark.seq or (self.agent is not None and self.agent != agent):
            return False
        at = token.issued.us
        if self.from_us is None or self.to_us is None or at is None:
            return True
        return self.from_us <= at // 1_000_000 * 1_000_000 < self.to_us
