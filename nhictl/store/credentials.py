"""Secrets of other systems that tasks were given: which there are, and which still have to be revoked. Never the secrets."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple


class CredentialRow(NamedTuple):
    """One secret of one task: name of its declaration, record that announced it, its helper's handle, record of its end."""

    task: int
    name: str
    seq: int
    handle: str | None
    ended: int | None


def announce(db: sqlite3.Connection, task: int, name: str, seq: int) -> None:
    """From record `seq` on the task may have this secret."""
    db.execute("INSERT INTO credential (task, name, seq) VALUES (?, ?, ?)", (task, name, seq))


def acquired(db: sqlite3.Connection, task: int, name: str, handle: str | None) -> None:
    """Keep what the helper calls it."""
    db.execute("UPDATE credential SET handle = ? WHERE task = ? AND name = ?", (handle, task, name))


def end(db: sqlite3.Connection, task: int, name: str, seq: int) -> bool:
    """It is revoked; False if it was before."""
    query = "UPDATE credential SET ended = ? WHERE task = ? AND name = ? AND ended IS NULL"
    return db.execute(query, (seq, task, name)).rowcount == 1


def unrevoked(db: sqlite3.Connection, task: int | None = None) -> list[CredentialRow]:
    """What is still to be revoked, of one task or of all."""
    query = "SELECT * FROM credential WHERE ended IS NULL AND (? IS NULL OR task = ?) ORDER BY task, name"
    return [CredentialRow(*row) for row in db.execute(query, (task, task))]
