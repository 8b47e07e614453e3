"""Freezes: of everything, an agent, a group or an environment, each from one record up to another."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from nhictl.store.agents import LATEST


class Freeze(NamedTuple):
    """A freeze in force: `all` with an empty value, or `agent`, `group` or `env` with a name; and the record that made it."""

    kind: str
    value: str
    seq: int

    def __str__(self) -> str:
        return "all agents" if self.kind == "all" else f"{self.kind} `{self.value}`"

    def covers(self, agent: str, env: str | None, groups: list[str]) -> bool:
        """Whether an agent of that name, environment and groups is frozen by it."""
        if self.kind in ("all", "agent"):
            return self.kind == "all" or self.value == agent
        return self.value == env if self.kind == "env" else self.value in groups


def in_force(db: sqlite3.Connection, below: int = LATEST) -> list[Freeze]:
    """The freezes as of the first `below` records, oldest first."""
    query = "SELECT kind, value, seq FROM freeze WHERE seq < ?1 AND (ended IS NULL OR ended >= ?1) ORDER BY seq"
    return [Freeze(*row) for row in db.execute(query, (below,))]


def add(db: sqlite3.Connection, kind: str, value: str, seq: int) -> None:
    """Freeze from record `seq` on."""
    db.execute("INSERT INTO freeze (kind, value, seq) VALUES (?, ?, ?)", (kind, value, seq))


def end(db: sqlite3.Connection, kind: str, value: str, seq: int) -> bool:
    """Lift the freeze from record `seq` on; False if there is none."""
    query = "UPDATE freeze SET ended = ? WHERE kind = ? AND value = ? AND ended IS NULL"
    return db.execute(query, (seq, kind, value)).rowcount == 1
