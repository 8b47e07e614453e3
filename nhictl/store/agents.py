"""Agents and their versions; signing keys. Every version carries the log number of the record that made it."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

LATEST = 1 << 62
"""As `below`: the state after every record there is."""


class AgentRow(NamedTuple):
    """One agent as of some record: row id, name, log number of registration, state, attributes as JSON."""

    id: int
    name: str
    seq: int
    state: str
    doc: str


class KeyRow(NamedTuple):
    """One signing key: row id, use (`token`, `log`), kid, public JWK as JSON, sealed private key, state."""

    id: int
    use: str
    kid: str
    public: str
    sealed: bytes
    state: str


_AGENT = (
    "SELECT a.id, a.name, a.seq, v.state, v.doc FROM agent a JOIN agent_version v ON v.agent = a.id"
    " AND v.seq = (SELECT max(seq) FROM agent_version WHERE agent = a.id AND seq < ?)"
)


def by_name(db: sqlite3.Connection, name: str, below: int = LATEST) -> AgentRow | None:
    """The agent of that name as of the first `below` records."""
    row = db.execute(f"{_AGENT} WHERE a.name = ?", (below, name)).fetchone()
    return AgentRow(*row) if row else None


def by_id(db: sqlite3.Connection, ident: int, below: int = LATEST) -> AgentRow | None:
    """The agent of that row id as of the first `below` records."""
    row = db.execute(f"{_AGENT} WHERE a.id = ?", (below, ident)).fetchone()
    return AgentRow(*row) if row else None


def everyone(db: sqlite3.Connection, below: int = LATEST) -> list[AgentRow]:
    """All agents as of the first `below` records, by name."""
    return [AgentRow(*row) for row in db.execute(f"{_AGENT} ORDER BY a.name", (below,))]


def changes(db: sqlite3.Connection) -> list[int]:
    """The numbers of the records that changed any agent, the newest first."""
    return [row[0] for row in db.execute("SELECT DISTINCT seq FROM agent_version ORDER BY seq DESC")]


def add(db: sqlite3.Connection, name: str, seq: int, state: str, doc: str) -> int:
    """Register; the caller has looked that the name is free. Returns the row id."""
    cursor = db.execute("INSERT INTO agent (name, seq) VALUES (?, ?)", (name, seq))
    ident = int(cursor.lastrowid or 0)
    add_version(db, ident, seq, state, doc)
    return ident


def add_version(db: sqlite3.Connection, ident: int, seq: int, state: str, doc: str) -> None:
    """A new state of an agent, from record `seq` on."""
    db.execute("INSERT INTO agent_version (agent, seq, state, doc) VALUES (?, ?, ?, ?)", (ident, seq, state, doc))


def add_key(db: sqlite3.Connection, use: str, kid: str, public: str, sealed: bytes, state: str, seq: int) -> int:
    """Keep a signing key, sealed."""
    cursor = db.execute(
        "INSERT INTO signing_key (use, kid, public, sealed, state, seq) VALUES (?, ?, ?, ?, ?, ?)",
        (use, kid, public, sealed, state, seq),
    )
    ident = int(cursor.lastrowid or 0)
    db.execute("INSERT INTO signing_key_version (key, seq, state) VALUES (?, ?, ?)", (ident, seq, state))
    return ident


_KEY_THEN = (
    "SELECT k.id, k.use, k.kid, k.public, k.sealed, v.state FROM signing_key k JOIN signing_key_version v"
    " ON v.key = k.id AND v.seq = (SELECT max(seq) FROM signing_key_version WHERE key = k.id AND seq < ?)"
    " WHERE k.use = ? ORDER BY k.id"
)


def keys(db: sqlite3.Connection, use: str, below: int = LATEST) -> list[KeyRow]:
    """The signing keys for `use` that there were after the first `below` records, as they stood then, oldest first."""
    if below < LATEST:
        return [KeyRow(*row) for row in db.execute(_KEY_THEN, (below, use))]
    query = "SELECT id, use, kid, public, sealed, state FROM signing_key WHERE use = ? ORDER BY id"
    return [KeyRow(*row) for row in db.execute(query, (use,))]


def active_key(db: sqlite3.Connection, use: str) -> KeyRow | None:
    """The key that signs for `use`; None if none is active."""
    query = (
        "SELECT id, use, kid, public, sealed, state FROM signing_key WHERE use = ? AND state = 'active'"
        " ORDER BY id DESC LIMIT 1"
    )
    row = db.execute(query, (use,)).fetchone()
    return KeyRow(*row) if row else None


def key_state(db: sqlite3.Connection, ident: int) -> str | None:
    """The state of one signing key."""
    row = db.execute("SELECT state FROM signing_key WHERE id = ?", (ident,)).fetchone()
    return str(row[0]) if row else None
