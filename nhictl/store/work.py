"""Tasks and tokens, and the policy in force. What ends a token here is taken out of the tally at once."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from nhictl.store import tally
from nhictl.store.agents import LATEST


class TaskRow(NamedTuple):
    """One task: row id, public id, agent's row id, instance, log number of opening, doc as JSON, counters, end, lease."""

    id: int
    name: str
    agent: int
    instance: str
    seq: int
    doc: str
    tokens: int
    calls: int
    ended: int | None
    outcome: str | None
    lease: str | None


class TokenRow(NamedTuple):
    """One token: times in seconds, `uses` left (None: unlimited), `revoked` the log number of its own revocation."""

    id: int
    jti: bytes
    task: int
    instance: str
    key: int
    seq: int
    issued: int
    expires: int
    digest: bytes
    audience: str
    uses: int | None
    revoked: int | None


def add_task(db: sqlite3.Connection, name: str, agent: int, instance: str, seq: int, doc: str) -> int:
    """Open a task; returns the row id."""
    cursor = db.execute(
        "INSERT INTO task (name, agent, instance, seq, doc) VALUES (?, ?, ?, ?, ?)", (name, agent, instance, seq, doc)
    )
    ident = int(cursor.lastrowid or 0)
    tally.open_task(db, ident)
    return ident


def task(db: sqlite3.Connection, name: str, below: int = LATEST) -> TaskRow | None:
    """The task of that public id, if it was opened within the first `below` records."""
    row = db.execute("SELECT * FROM task WHERE name = ? AND seq < ?", (name, below)).fetchone()
    return TaskRow(*row) if row else None


def task_by_id(db: sqlite3.Connection, ident: int) -> TaskRow | None:
    """The task of that row id."""
    row = db.execute("SELECT * FROM task WHERE id = ?", (ident,)).fetchone()
    return TaskRow(*row) if row else None


def tasks(db: sqlite3.Connection, agent: int | None = None, below: int = LATEST) -> list[TaskRow]:
    """Tasks in the order they were opened."""
    if agent is None:
        rows = db.execute("SELECT * FROM task WHERE seq < ? ORDER BY seq", (below,))
    else:
        rows = db.execute("SELECT * FROM task WHERE agent = ? AND seq < ? ORDER BY seq", (agent, below))
    return [TaskRow(*row) for row in rows]


def newest_open_of(db: sqlite3.Connection, instance: str) -> str | None:
    """The public id of the newest task of an instance that nobody has ended, whichever agent's."""
    query = (
        "SELECT t.name FROM open_task o JOIN task t ON t.id = o.task WHERE o.instance = ? ORDER BY o.task DESC LIMIT 1"
    )
    row = db.execute(query, (instance,)).fetchone()
    return str(row[0]) if row else None


def newest_of(db: sqlite3.Connection, agent: int, instance: str) -> str | None:
    """The public id of the newest task of one instance of an agent, ended or not."""
    query = "SELECT name FROM task WHERE agent = ? AND instance = ? ORDER BY id DESC LIMIT 1"
    row = db.execute(query, (agent, instance)).fetchone()
    return str(row[0]) if row else None


def end_task(db: sqlite3.Connection, ident: int, seq: int, outcome: str) -> bool:
    """Close or kill an open task; False if it had ended already."""
    query = "UPDATE task SET ended = ?, outcome = ? WHERE id = ? AND ended IS NULL"
    ended = db.execute(query, (seq, outcome, ident)).rowcount == 1
    if ended:
        tally.end_task(db, ident, seq, for_good=True)
    return ended


def lease_task(db: sqlite3.Connection, ident: int, holder: str) -> bool:
    """Bind an open task to the process that `holder` describes, as JSON; False if it ended or has had a lease before."""
    query = "UPDATE task SET lease = ? WHERE id = ? AND ended IS NULL AND lease IS NULL"
    return db.execute(query, (holder, ident)).rowcount == 1


def count_token(db: sqlite3.Connection, ident: int, limit: int) -> bool:
    """Count one more token of an open task; False if that would be more than `limit`."""
    query = "UPDATE task SET tokens = tokens + 1 WHERE id = ? AND ended IS NULL AND tokens < ?"
    return db.execute(query, (ident, limit)).rowcount == 1


def count_call(db: sqlite3.Connection, ident: int, limit: int | None) -> bool:
    """Count one more call of a task; False if that would be more than `limit` (None: no limit)."""
    query = "UPDATE task SET calls = calls + 1 WHERE id = ? AND (? IS NULL OR calls < ?)"
    return db.execute(query, (ident, limit, limit)).rowcount == 1


def calls_before(db: sqlite3.Connection, ident: int, below: int) -> int:
    """How many calls of a task the first `below` records count: each is a `token.used` that names a tool."""
    query = (
        "SELECT count(*) FROM log WHERE task = ? AND seq < ? AND json_extract(CAST(line AS TEXT), '$.type') = 'token.used'"
        " AND json_extract(CAST(line AS TEXT), '$.tool') IS NOT NULL"
    )
    return int(db.execute(query, (ident, below)).fetchone()[0])


def add_token(
    db: sqlite3.Connection, values: tuple[bytes, int, str, int, int, int, int, bytes, str, int | None]
) -> int:
    """Keep an issued token: jti, task, instance, key, seq, issued, expires, digest, audience, uses. Returns the row id."""
    cursor = db.execute(
        "INSERT INTO token (jti, task, instance, key, seq, issued, expires, digest, audience, uses)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        values,
    )
    ident = int(cursor.lastrowid or 0)
    tally.add(db, ident)
    return ident


def token(db: sqlite3.Connection, jti: bytes, below: int = LATEST) -> TokenRow | None:
    """The token of that jti, if it was issued within the first `below` records."""
    row = db.execute("SELECT * FROM token WHERE jti = ? AND seq < ?", (jti, below)).fetchone()
    return TokenRow(*row) if row else None


def token_by_id(db: sqlite3.Connection, ident: int) -> TokenRow | None:
    """The token of that row id."""
    row = db.execute("SELECT * FROM token WHERE id = ?", (ident,)).fetchone()
    return TokenRow(*row) if row else None


def tokens(db: sqlite3.Connection, task: int | None = None, below: int = LATEST) -> list[TokenRow]:
    """Tokens in the order they were issued."""
    if task is None:
        rows = db.execute("SELECT * FROM token WHERE seq < ? ORDER BY seq", (below,))
    else:
        rows = db.execute("SELECT * FROM token WHERE task = ? AND seq < ? ORDER BY seq", (task, below))
    return [TokenRow(*row) for row in rows]


def use_once(db: sqlite3.Connection, ident: int) -> bool:
    """Take one use of a use-limited token; False if none was left (decided by rows affected, so no race)."""
    if db.execute("UPDATE token SET uses = uses - 1 WHERE id = ? AND uses > 0", (ident,)).rowcount != 1:
        return False
    if db.execute("SELECT uses FROM token WHERE id = ?", (ident,)).fetchone() == (0,):
        tally.forget(db, ident)
    return True


def revoke(db: sqlite3.Connection, ident: int, seq: int) -> bool:
    """Revoke one token by itself; False if it was revoked before."""
    row = db.execute("SELECT uses FROM token WHERE id = ? AND revoked IS NULL", (ident,)).fetchone()
    if row is None:
        return False
    db.execute("UPDATE token SET revoked = ? WHERE id = ?", (seq, ident))
    if row[0] != 0:  # one that was used up is not counted any more
        tally.forget(db, ident)
    return True


def later(db: sqlite3.Connection, issued_seq: int, below: int = LATEST) -> tuple[bool, bool]:
    """Whether there is any cut-off after a token's issue, and any freeze in force: if not, no check has to look closer."""
    query = (
        "SELECT EXISTS (SELECT 1 FROM cutoff WHERE seq > ?1 AND seq < ?2), EXISTS (SELECT 1 FROM freeze"
        " WHERE seq < ?2 AND (ended IS NULL OR ended >= ?2))"
    )
    cut, frozen = db.execute(query, (issued_seq, below)).fetchone()
    return bool(cut), bool(frozen)


def any_freeze(db: sqlite3.Connection) -> bool:
    """Whether any freeze is in force now."""
    return db.execute("SELECT 1 FROM freeze WHERE ended IS NULL LIMIT 1").fetchone() is not None


def add_policy(db: sqlite3.Connection, digest: str, compiled: bytes, files: bytes) -> None:
    """Keep a policy by its digest; the same one twice is the same row."""
    db.execute("INSERT OR IGNORE INTO policy (digest, compiled, files) VALUES (?, ?, ?)", (digest, compiled, files))


def policy(db: sqlite3.Connection, digest: str) -> bytes | None:
    """The canonical form of the policy of that digest; None if it is not kept."""
    row = db.execute("SELECT compiled FROM policy WHERE digest = ?", (digest,)).fetchone()
    return bytes(row[0]) if row else None


def activate_policy(db: sqlite3.Connection, seq: int, digest: str) -> None:
    """From record `seq` on this policy is in force."""
    db.execute("INSERT INTO policy_version (seq, digest) VALUES (?, ?)", (seq, digest))


def active_policy(db: sqlite3.Connection, below: int = LATEST) -> tuple[int, str, bytes, bytes] | None:
    """The (seq, digest, compiled form, source files as JSON) of the policy in force as of the first `below` records."""
    query = (
        "SELECT v.seq, p.digest, p.compiled, p.files FROM policy_version v JOIN policy p ON p.digest = v.digest"
        " WHERE v.seq < ? ORDER BY v.seq DESC LIMIT 1"
    )
    row = db.execute(query, (below,)).fetchone()
    return (row[0], row[1], bytes(row[2]), bytes(row[3])) if row else None


def policy_version(db: sqlite3.Connection, below: int = LATEST) -> int | None:
    """The number of the record that put the policy in force as of the first `below` records."""
    return db.execute("SELECT max(seq) FROM policy_version WHERE seq < ?", (below,)).fetchone()[0]  # type: ignore[no-any-return]


def active_digest(db: sqlite3.Connection, below: int = LATEST) -> str | None:
    """The digest of the policy in force as of the first `below` records."""
    row = db.execute("SELECT digest FROM policy_version WHERE seq < ? ORDER BY seq DESC LIMIT 1", (below,)).fetchone()
    return str(row[0]) if row else None
