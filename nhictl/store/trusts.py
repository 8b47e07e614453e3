"""Trusts in foreign issuers, what was exchanged under them, and which of the issuers' tokens were spent."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from nhictl.store.agents import LATEST


class TrustRow(NamedTuple):
    """One trust: row id, name, log numbers of its beginning and end (None: in force), digest, and itself as JSON."""

    id: int
    name: str
    seq: int
    digest: str
    doc: str
    ended: int | None


class Counts(NamedTuple):
    """What was opened through a trust: all tasks, those still open, and the live tokens of these."""

    tasks: int
    open_tasks: int
    live_tokens: int


_COLUMNS = "SELECT id, name, seq, digest, doc, ended FROM trust"


def add(db: sqlite3.Connection, name: str, seq: int, digest: str, doc: str) -> int:
    """Put a trust in force from record `seq` on; the caller has ended the one before. Returns the row id."""
    query = "INSERT INTO trust (name, seq, digest, doc) VALUES (?, ?, ?, ?)"
    return int(db.execute(query, (name, seq, digest, doc)).lastrowid or 0)


def end(db: sqlite3.Connection, ident: int, seq: int) -> bool:
    """End a trust; False if it had ended already."""
    return db.execute("UPDATE trust SET ended = ? WHERE id = ? AND ended IS NULL", (seq, ident)).rowcount == 1


def newest(db: sqlite3.Connection, name: str, below: int = LATEST) -> TrustRow | None:
    """The newest trust of that name as of the first `below` records, ended or not; an end after them is none."""
    row = db.execute(f"{_COLUMNS} WHERE name = ? AND seq < ? ORDER BY seq DESC LIMIT 1", (name, below)).fetchone()
    return _as_of(TrustRow(*row), below) if row else None


def in_force(db: sqlite3.Connection, below: int = LATEST) -> list[TrustRow]:
    """The trusts in force as of the first `below` records, by name."""
    query = f"{_COLUMNS} WHERE seq < ? AND (ended IS NULL OR ended >= ?) ORDER BY name"
    return [_as_of(TrustRow(*row), below) for row in db.execute(query, (below, below))]


def _as_of(row: TrustRow, below: int) -> TrustRow:
    return row._replace(ended=None) if row.ended is not None and row.ended >= below else row


_LIVE = (
    " AND x.seq < ? AND x.expires > ? AND (x.revoked IS NULL OR x.revoked >= ?) AND NOT EXISTS (SELECT 1 FROM cutoff c"
    " JOIN task o ON o.id = x.task WHERE c.seq > x.seq AND c.seq < ?"
    " AND ((c.kind = 'agent' AND c.ref = o.agent) OR (c.kind = 'task' AND c.ref = o.id)))"
)


def counts(db: sqlite3.Connection, name: str, now_us: int, now_s: int, below: int = LATEST) -> Counts:
    """What was opened through the trusts of that name within the first `below` records; deadlines in µs, tokens in s."""
    of = "FROM exchange e JOIN trust t ON t.id = e.trust JOIN task k ON k.id = e.task WHERE t.name = ? AND e.seq < ?"
    still = " AND (k.ended IS NULL OR k.ended >= ?) AND json_extract(k.doc, '$.deadline_us') > ?"
    opened = db.execute(f"SELECT count(*) {of}", (name, below)).fetchone()[0]
    going = db.execute(f"SELECT count(*) {of}{still}", (name, below, below, now_us)).fetchone()[0]
    live = f"SELECT count(*) FROM token x WHERE x.task IN (SELECT k.id {of}{still}){_LIVE}"  # noqa: S608  # all parts are constants
    row = db.execute(live, (name, below, below, now_us, below, now_s, below, below)).fetchone()
    return Counts(int(opened), int(going), int(row[0]))


def open_tasks(db: sqlite3.Connection, name: str, now_us: int) -> list[str]:
    """The ids of the tasks opened through the trusts of that name that are still open, oldest first."""
    query = (
        "SELECT k.name FROM exchange e JOIN trust t ON t.id = e.trust JOIN task k ON k.id = e.task WHERE t.name = ?"
        " AND k.ended IS NULL AND json_extract(k.doc, '$.deadline_us') > ? ORDER BY k.id"
    )
    return [str(row[0]) for row in db.execute(query, (name, now_us))]


def add_exchange(db: sqlite3.Connection, task: int, trust: int, run: str | None, seq: int) -> None:
    """The task was opened through that trust, for that run of the CI system."""
    db.execute("INSERT INTO exchange (task, trust, run, seq) VALUES (?, ?, ?, ?)", (task, trust, run, seq))


def tasks_of_run(db: sqlite3.Connection, run: str, below: int = LATEST) -> list[int]:
    """The row ids of the tasks that were opened for a run of a CI system, whichever it was, oldest first."""
    query = "SELECT task FROM exchange WHERE run = ? AND seq < ? ORDER BY task"
    return [int(row[0]) for row in db.execute(query, (run, below))]


def spend(db: sqlite3.Connection, mark: bytes, until_s: int, seq: int) -> bool:
    """Take a token's one exchange; False if it was taken before (decided by rows affected)."""
    query = "INSERT OR IGNORE INTO spent (mark, until, seq) VALUES (?, ?, ?)"
    return db.execute(query, (mark, until_s, seq)).rowcount == 1


def spent(db: sqlite3.Connection, mark: bytes, below: int = LATEST) -> int | None:
    """The record under which the token was exchanged within the first `below`, or None."""
    row = db.execute("SELECT seq FROM spent WHERE mark = ? AND seq < ?", (mark, below)).fetchone()
    return int(row[0]) if row else None


def forget(db: sqlite3.Connection, now_s: int) -> None:
    """Let go of tokens that nobody takes for good any more."""
    db.execute("DELETE FROM spent WHERE until < ?", (now_s,))


def refusals(db: sqlite3.Connection, trust: int, kind: str, since_s: int, mark: bytes) -> tuple[int, bool, int]:
    """Of the recorded refusals of that kind since then: how many, whether this very one is there, when the oldest was."""
    query = "SELECT count(*), max(mark = ?), min(ts) FROM refusal WHERE trust = ? AND kind = ? AND ts > ?"
    count, same, oldest = db.execute(query, (mark, trust, kind, since_s)).fetchone()
    return int(count), bool(same), int(oldest or 0)


def add_refusal(db: sqlite3.Connection, trust: int, kind: str, now_s: int, since_s: int, mark: bytes, seq: int) -> None:
    """Keep that a refusal was recorded, and let go of those before `since_s`."""
    db.execute("DELETE FROM refusal WHERE trust = ? AND kind = ? AND ts <= ?", (trust, kind, since_s))
    query = "INSERT INTO refusal (trust, kind, ts, mark, seq) VALUES (?, ?, ?, ?, ?)"
    db.execute(query, (trust, kind, now_s, mark, seq))
