"""Custodies as the log has them, and the boxes that lie under the key-encryption key: signing keys and content keys."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import NamedTuple

from nhictl.store.keys import Sealer

_BATCH = 5000


class CustodyRow(NamedTuple):
    """A custody from record `seq` on: its kind and the id of its secret."""

    seq: int
    kind: str
    name: str


def add(db: sqlite3.Connection, seq: int, kind: str, name: str) -> None:
    """From record `seq` on this custody is in force."""
    db.execute("INSERT INTO custody (seq, kind, name) VALUES (?, ?, ?)", (seq, kind, name))


def newest(db: sqlite3.Connection) -> CustodyRow | None:
    """The custody that was recorded last; None if it never was another than the file."""
    row = db.execute("SELECT seq, kind, name FROM custody ORDER BY seq DESC LIMIT 1").fetchone()
    return CustodyRow(*row) if row else None


def reseal(db: sqlite3.Connection, old: Sealer, new: Sealer, random: Callable[[int], bytes]) -> int:
    """Seal every box anew and return how many there are; part of the caller's transaction.

    A box keeps its length, so SQLite writes it over the old one.
    """
    count = 0
    for ident, kid, sealed in db.execute("SELECT id, kid, sealed FROM signing_key").fetchall():
        if not any(sealed):
            continue  # destroyed
        place = f"signing key:{kid}"
        box = new.seal(old.open(sealed, place), place, random(12))
        db.execute("UPDATE signing_key SET sealed = ? WHERE id = ?", (box, ident))
        count += 1
    query = "SELECT task, sealed FROM content_key WHERE task > ? AND length(sealed) > 0 ORDER BY task LIMIT ?"
    last = -1
    while rows := db.execute(query, (last, _BATCH)).fetchall():
        last = rows[-1][0]
        count += len(rows)
        for task, sealed in rows:
            place = f"content key:{task}"
            box = new.seal(old.open(sealed, place), place, random(12))
            db.execute("UPDATE content_key SET sealed = ? WHERE task = ?", (box, task))
    return count


def empty_wal(db: sqlite3.Connection) -> bool:
    """Move the write-ahead log into the database and cut it to nothing; False if that cannot be now."""
    try:
        row = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error:
        return False
    return bool(row) and row[0] == 0
