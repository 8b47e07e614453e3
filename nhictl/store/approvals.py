"""Calls that wait for a human: when each was asked for, decided and used, by log number, and who granted it."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from nhictl.store.agents import LATEST


class ApprovalRow(NamedTuple):
    """One access request: public id, task's row id, record, salted digest of the call, end (microseconds), doc as JSON,
    and the records that granted, denied and used it.
    """

    id: int
    name: str
    task: int
    seq: int
    salt: bytes
    digest: bytes
    expires: int
    doc: str
    granted: int | None
    denied: int | None
    used: int | None


class GrantRow(NamedTuple):
    """One yes: its record, who gave it (empty: the home's owner), for which classes as JSON, and the signature if any."""

    approval: int
    seq: int
    approver: str
    classes: str
    signature: str | None


def add(
    db: sqlite3.Connection, values: tuple[str, int, int, bytes, bytes, int, str]
) -> int:  # fmt: skip
    """Keep a request: name, task, seq, salt, digest, expires, doc. Returns the row id."""
    query = "INSERT INTO approval (name, task, seq, salt, digest, expires, doc) VALUES (?, ?, ?, ?, ?, ?, ?)"
    return int(db.execute(query, values).lastrowid or 0)


def by_name(db: sqlite3.Connection, name: str, below: int = LATEST) -> ApprovalRow | None:
    """The request of that public id, if it was made within the first `below` records."""
    row = db.execute("SELECT * FROM approval WHERE name = ? AND seq < ?", (name, below)).fetchone()
    return ApprovalRow(*row) if row else None


def of_task(db: sqlite3.Connection, task: int, now_us: int, below: int = LATEST) -> list[ApprovalRow]:
    """The requests of a task that have not expired, oldest first."""
    query = "SELECT * FROM approval WHERE task = ? AND expires > ? AND seq < ? ORDER BY id"
    return [ApprovalRow(*row) for row in db.execute(query, (task, now_us, below))]


def everything(db: sqlite3.Connection, below: int = LATEST) -> list[ApprovalRow]:
    """All requests, in the order they were made."""
    return [ApprovalRow(*row) for row in db.execute("SELECT * FROM approval WHERE seq < ? ORDER BY id", (below,))]


def grants(db: sqlite3.Connection, approval: int, below: int = LATEST) -> list[GrantRow]:
    """Who said yes to a request, in order."""
    query = "SELECT * FROM approval_grant WHERE approval = ? AND seq < ? ORDER BY seq"
    return [GrantRow(*row) for row in db.execute(query, (approval, below))]


def add_grant(db: sqlite3.Connection, row: GrantRow) -> None:
    """Keep a yes."""
    query = "INSERT INTO approval_grant (approval, seq, approver, classes, signature) VALUES (?, ?, ?, ?, ?)"
    db.execute(query, row)


def grant(db: sqlite3.Connection, approval: int, seq: int) -> None:
    """From record `seq` on every class of the request was granted."""
    db.execute("UPDATE approval SET granted = ? WHERE id = ?", (seq, approval))


def deny(db: sqlite3.Connection, approval: int, seq: int) -> None:
    """From record `seq` on the request is denied, also if it was granted."""
    db.execute("UPDATE approval SET denied = ? WHERE id = ?", (seq, approval))


def use(db: sqlite3.Connection, name: str, seq: int) -> bool:
    """Record `seq` uses a granted request; False if it was used before (decided by rows affected, so no race)."""
    query = "UPDATE approval SET used = ? WHERE name = ? AND used IS NULL AND denied IS NULL AND granted IS NOT NULL"
    return db.execute(query, (seq, name)).rowcount == 1


def leased(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """The open tasks that live as long as one process: public id, and who holds the lease as JSON."""
    query = "SELECT t.name, t.lease FROM open_task o JOIN task t ON t.id = o.task WHERE t.lease IS NOT NULL"
    return list(db.execute(query))


def forget(db: sqlite3.Connection, before_us: int, most: int) -> int:
    """Let go of up to `most` requests that had expired before that moment, used or not, and of the yeses to them."""
    gone = "SELECT id FROM approval WHERE expires < ? ORDER BY id LIMIT ?"
    db.execute(f"DELETE FROM approval_grant WHERE approval IN ({gone})", (before_us, most))  # noqa: S608
    return db.execute(f"DELETE FROM approval WHERE id IN ({gone})", (before_us, most)).rowcount  # noqa: S608
