"""Signing keys over time: their states, since when a folder shows them, and which live tokens depend on them."""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

from nhictl.core.token.claims import MAX_BOUND_LIFETIME_S
from nhictl.store.agents import LATEST, KeyRow

_SKEW_S: Final = 60
"""How far the clock that tokens are issued by may go back: the leeway of an act, and as much again."""


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


def since(db: sqlite3.Connection, ident: int, below: int = LATEST) -> Since | None:
    """The state of a key as of the first `below` records, and since when; None before it was made."""
    query = (
        "SELECT v.state, v.seq, l.ts FROM signing_key_version v JOIN log l ON l.seq = v.seq"
        " WHERE v.key = ? AND v.seq < ? ORDER BY v.seq DESC LIMIT 1"
    )
    row = db.execute(query, (ident, below)).fetchone()
    return Since(*row) if row else None


def revoked_by(db: sqlite3.Connection, ident: int, below: int = LATEST) -> int | None:
    """The number of the record that revoked a key, if that was within the first `below` records."""
    query = "SELECT seq FROM signing_key_version WHERE key = ? AND state = 'revoked' AND seq < ?"
    row = db.execute(query, (ident, below)).fetchone()
    return int(row[0]) if row else None


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


_LIVE: Final = (
    "FROM token t JOIN task k ON k.id = t.task WHERE t.id >= :first AND t.key = :key AND t.expires > :now"
    " AND t.seq < :below AND (t.revoked IS NULL OR t.revoked >= :below) AND (k.ended IS NULL OR k.ended >= :below)"
    " AND NOT EXISTS (SELECT 1 FROM cutoff c WHERE c.seq > t.seq AND c.seq < :below"
    " AND ((c.kind = 'agent' AND c.ref = k.agent) OR (c.kind = 'task' AND c.ref = k.id)"
    " OR (c.kind = 'all' AND c.ref = 0)))"
)


def live_tokens(db: sqlite3.Connection, ident: int, now_s: int, below: int = LATEST) -> int:
    """How many unrevoked, unexpired tokens of open tasks a key has signed.

    It looks at what was issued within the longest life a token can have and at nothing older: no index that every
    issue would have to keep, and no cost that grows with the history.
    """
    query = "SELECT count(*) " + _LIVE  # both parts are constants
    return int(db.execute(query, _asked(db, ident, now_s, below)).fetchone()[0])


def live_jtis(db: sqlite3.Connection, ident: int, now_s: int, most: int, below: int = LATEST) -> list[bytes]:
    """The jti of the first `most` tokens that `live_tokens` counts, oldest first."""
    query = "SELECT t.jti " + _LIVE + " ORDER BY t.id LIMIT :most"  # both parts are constants
    return [bytes(row[0]) for row in db.execute(query, _asked(db, ident, now_s, below) | {"most": most})]


def _asked(db: sqlite3.Connection, ident: int, now_s: int, below: int) -> dict[str, int]:
    first = _first_since(db, now_s - MAX_BOUND_LIFETIME_S - _SKEW_S)
    return {"first": first, "key": ident, "now": now_s, "below": below}


def _first_since(db: sqlite3.Connection, second: int) -> int:
    """The row id from which on tokens were issued at `second` or later: binary search, as time goes up with the rows."""
    low, high = 0, int(db.execute("SELECT coalesce(max(id), 0) + 1 FROM token").fetchone()[0])
    while low < high:
        middle = (low + high) // 2
        found = db.execute("SELECT issued FROM token WHERE id >= ? ORDER BY id LIMIT 1", (middle,)).fetchone()
        if found is None or found[0] >= second:
            high = middle
        else:
            low = middle + 1
    return low
