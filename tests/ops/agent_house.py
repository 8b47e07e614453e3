"""Short forms for the tests on agents: a home whose clock is set by hand, and the acts around an agent."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any, Final

from nhictl.core.ledger import record
from nhictl.core.policy.box import parse_box
from nhictl.ops import agents
from nhictl.ops.act import Head
from nhictl.ops.activate_policy import activate
from nhictl.ops.check_policy import Call, bench
from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from nhictl.ops.issue_token import issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import verify
from nhictl.store import log

AUDIENCE: Final = "https://api.example.org"
MINUTE: Final = 60_000_000
POLICY: Final = {
    "nhictl_policy": 1,
    "tools": {"a.b": {"args": {}}},
    "rules": [{"id": "R", "effect": "permit", "match": {"tools": ["a.b"]}}],
}


class Agents:
    """A home with a policy that lets every agent call `a.b`; `now` is its clock, in microseconds."""

    def __init__(self, folder: Path) -> None:
        self.now = 1_780_315_200_000_000  # 2026-06-01T12:00:00Z
        self.house = House(folder / "home", folder / "home" / DATABASE, clock=lambda: self.now)
        initialise(self.house, "example.org", None)
        activate(self.house, [("p", json.dumps(POLICY).encode())])

    def copy(self) -> Agents:
        """The same with a copy of the database in memory."""
        made = object.__new__(Agents)
        made.now = self.now
        made.house = House(self.house.home, self.house.database, clock=lambda: made.now)
        made.house.keeps_mark = False
        db = sqlite3.connect(":memory:", isolation_level=None)
        self.house.db.backup(db)
        made.house.adopt(db, self.house.sealer)
        return made

    def add(self, name: str = "bot", **more: Any) -> dict[str, Any]:
        """Register an agent."""
        return register(self.house, Registration(name, "o@example.org", "reading", **more))[0]

    def show(self, name: str = "bot", at: int | None = None) -> dict[str, Any]:
        """The agent as it is shown."""
        return agents.show(self.house, name, at)

    def task(self, instance: str | None = "one", agent: str = "bot") -> str:
        """Open a task for `a.b`, an hour long."""
        order = Order(agent, "i", "p", (parse_box("a.b", None),), instance=instance)
        return str(open_task(self.house, order)[0]["id"])

    def token(self, task: str) -> str:
        """Issue a token, five minutes long."""
        return issue_token(self.house, task, AUDIENCE)[0].token

    def verdict(self, token: str, at: int | None = None) -> tuple[str, int]:
        """Reason and step of the verdict on a token with the call `a.b`."""
        found = verify(self.house, Question(token.encode(), AUDIENCE, "a.b", at_us=at))
        return found.reason, found.step

    def decision(self, agent: str | None = "bot", task: str | None = None, at: int | None = None) -> str:
        """The reason of the decision on `a.b`."""
        call = Call("a.b", agent if task is None else None, None, task, at_us=at)
        return bench(self.house, [], None).decide(call).reason

    def size(self) -> int:
        """How many records the log has."""
        head = log.head(self.house.db)
        assert head is not None
        return head.size

    def records(self) -> list[dict[str, Any]]:
        """Every record of the log."""
        return [record.decode(line) for _, line in log.lines(self.house.db)]

    def last(self) -> dict[str, Any]:
        """The newest record."""
        return self.records()[-1]

    def unchanged(self, head: Head, before: int) -> bool:
        """Whether nothing was appended, and the head that was answered is the one there is."""
        return self.size() == before == head.size
