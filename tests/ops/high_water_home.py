"""Homes that go back in time: the database is copied, acted on, and put back as it was."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nhictl.core.ledger import checkpoint, record
from nhictl.ops.high_water import FILE
from nhictl.ops.house import DATABASE, House
from nhictl.ops.issue_token import issue_token
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import consume, verify
from nhictl.store import log
from tests.ops.agent_house import AUDIENCE, Agents


class Traveller:
    """A home with one agent, one task and one token; `now` is its clock."""

    def __init__(self, folder: Path) -> None:
        self.agents = Agents(folder)
        self.agents.add()
        self.task = self.agents.task()
        self.token = self.agents.token(self.task)
        self.home = self.agents.house.home
        self.saved = folder / "saved.db"
        self.later = ""
        """A token issued after the copy was made, where a test has one."""

    @property
    def house(self) -> House:
        """The home, opened if it is not."""
        return self.agents.house

    def save(self) -> None:
        """Copy the database as it is."""
        with contextlib.closing(sqlite3.connect(self.saved)) as copy:
            self.house.db.backup(copy)

    def put_back(self, saved: Path | None = None) -> None:
        """Put the copy in the database's place, as `cp` would with nobody running, and open it anew."""
        self.house.close()
        for side in ("-wal", "-shm"):
            (self.home / (DATABASE + side)).unlink(missing_ok=True)
        shutil.copy(saved or self.saved, self.home / DATABASE)
        (self.home / DATABASE).chmod(0o600)
        self.reopen()

    def reopen(self) -> None:
        """A process of its own, with the same clock."""
        self.house.close()
        self.agents.house = House(self.home, self.home / DATABASE, clock=lambda: self.agents.now)

    def mark(self) -> checkpoint.Checkpoint:
        """What the mark says."""
        return checkpoint.parse((self.home / FILE).read_text().rstrip("\n") + "\n")

    def size(self) -> int:
        """How many records the log has."""
        head = log.head(self.house.db)
        return head.size if head else 0

    def reason(self, token: str | None = None) -> str:
        """The verdict on a token, the home's own if none is given."""
        return verify(self.house, self.question(token)).reason

    def question(self, token: str | None = None) -> Question:
        """Whether that token is good."""
        return Question((token or self.token).encode(), AUDIENCE)

    def use(self, token: str | None = None) -> str:
        """The live verdict."""
        return consume(self.house, self.question(token))[0].reason

    def issue(self) -> str:
        """One more token."""
        return issue_token(self.house, self.task, AUDIENCE)[0].token


@contextlib.contextmanager
def traveller(folder: Path) -> Iterator[Traveller]:
    """One, closed afterwards."""
    made = Traveller(folder)
    try:
        yield made
    finally:
        made.house.close()


def records(house: House) -> list[dict[str, Any]]:
    """The log, decoded."""
    return [record.decode(line) for _, line in log.lines(house.db)]
