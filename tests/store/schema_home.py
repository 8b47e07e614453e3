"""A home as the first schema left it: built by today's code on a database of `MIGRATIONS[:1]`."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from nhictl.ops.act import Act, transact
from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from nhictl.store import agents, schema, sqlite


def opened(home: Path) -> House:
    """The home, as a process of its own would open it."""
    return House(home, home / DATABASE)


def old_home(home: Path) -> Path:
    """Make one with an agent in it."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (schema, sqlite):
            patch.setattr(module, "MIGRATIONS", schema.MIGRATIONS[:1])
            patch.setattr(module, "VERSION", 1)
        patch.setattr(agents, "add_key", add_key)
        house = opened(home)
        initialise(house, "example.org", None)
        transact(house, _register)
        house.close()
    assert version(home / DATABASE) == 1
    return home


def add_key(db: sqlite3.Connection, use: str, kid: str, public: str, sealed: bytes, state: str, seq: int) -> int:
    """A signing key as it was kept then; today's `add_key` keeps its history in a table that was not there."""
    query = "INSERT INTO signing_key (use, kid, public, sealed, state, seq) VALUES (?, ?, ?, ?, ?, ?)"
    return int(db.execute(query, (use, kid, public, sealed, state, seq)).lastrowid or 0)


def _register(act: Act) -> None:
    """An agent as it was kept then; today's `register` looks into tables that were not there."""
    doc = (
        '{"owner":"ops@example.org","purpose":"reports","env":null,"trust":0,"groups":[],"labels":{},"attested":false,'
        '"expires_us":null,"kid":null,"jwk":null}'
    )
    seq = act.record("agent.registered", agent="report-bot", sealed={"purpose": "reports"})
    agents.add(act.db, "report-bot", seq, "active", doc)


def version(path: Path) -> int:
    """The schema of a database."""
    db = sqlite3.connect(path)
    try:
        return int(db.execute("PRAGMA user_version").fetchone()[0])
    finally:
        db.close()
