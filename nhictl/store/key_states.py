"""Signing keys over time: their states, and since when a folder shows them."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from nhictl.store.agents import LATEST, KeyRow


class Since(NamedTuple):
    """A state of a key: from which record on, and when that was (µs)."""

    state: str
    seq: int
    ts: int


def by_kid(db: sqlite3.Connection, kid: str) -> KeyRow | None:
    """The signing key of that kid as it stands now, whatever its use."""
    row = db.execute("SELECT id, use, kid, public, sealed, state FROM signing_key WHERE kid = ?", (kid,)).fetchone()
    return KeyRow(*row) if row else None


def uses(db: sqlite3.Connection) -> list[str]:
    """What there are signing keys for, in the order the first of each was made."""
    return [str(row[0]) for row in db.execute("SELECT use FROM signing_key GROUP BY use ORDER BY min(id)")]


def set_state(db: sqlite3.Connection, ident: int, seq: int, state: str) -> None:
    """From record `seq` on the key is in that state."""
    db.execute("UPDATE signing_key SET state = ? WHERE id = ?", (state, ident))
    db.execute("INSERT INTO signing_key_version (key, seq, state) VALUES (?, ?, ?)", (ident, seq, state))


def destroy(db: sqlite3.Connection, ident: int) -> None:
    """Write zeros over the private part of a key: the box keeps its length, so SQLite puts them in its very place."""
    db.execute("UPDATE signing_key SET sealed = zeroblob(length(sealed)) WHERE id = ?", (ident,))


def since(db: sqlite3.Connection, ident: int, below: int = LATEST) -> Since | None:
    """The state of a key as of the first `below` records, and since when; None before it was made."""
    query = (
        "SELECT v.state, v.seq, l.ts FROM signing_key_version v JOIN log l ON l.seq = v.seq"
        " WHERE v.key = ? AND v.seq < ? ORDER BY v.seq DESC LIMIT 1"
    )
    row = db.execute(query, (ident, below)).fetchone()
    return Since(*row) if row else None


def add_publication(db: sqlite3.Connection, folder: str, ident: int, seq: int) -> None:
    """From record `seq` on the folder shows the key."""
    db.execute("INSERT INTO key_publication (folder, key, seq) VALUES (?, ?, ?)", (folder, ident, seq))


def publications(db: sqlite3.Connection, ident: int, below: int = LATEST) -> dict[str, int | None]:
    """Each folder that was published in, with the time (µs) since which it shows the key; None if it does not yet.

    Of folders in the past only those count that showed some key by then.
    """
    query = (
        "SELECT p.folder, (SELECT l.ts FROM key_publication s JOIN log l ON l.seq = s.seq WHERE s.folder = p.folder"
        " AND s.key = :key AND s.seq < :below ORDER BY s.seq DESC LIMIT 1) FROM publication p WHERE :below = :latest"
        " OR EXISTS (SELECT 1 FROM key_publication e WHERE e.folder = p.folder AND e.seq < :below) ORDER BY p.folder"
    )
    return dict(db.execute(query, {"key": ident, "below": below, "latest": LATEST}))


def shown_in(db: sqlite3.Connection, folder: str) -> set[int]:
    """The keys that a folder was ever said to show."""
    return {int(row[0]) for row in db.execute("SELECT DISTINCT key FROM key_publication WHERE folder = ?", (folder,))}
