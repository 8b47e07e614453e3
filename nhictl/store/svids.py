"""X.509-SVIDs that were issued: which of an agent's are still good, and whose a certified key is."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from nhictl.store.agents import LATEST


def add(
    db: sqlite3.Connection, serial: bytes, agent: int, instance: str, kid: str, authority: int, seq: int, expires: int
) -> None:
    """Keep an issued one: serial number, agent, instance, thumbprint, signing key, record, last second it is good."""
    query = "INSERT INTO svid (serial, agent, instance, kid, authority, seq, expires) VALUES (?, ?, ?, ?, ?, ?, ?)"
    db.execute(query, (serial, agent, instance, kid, authority, seq, expires))


class Live(NamedTuple):
    """How many are still good, and the last second at which one is; None if there is none."""

    number: int
    until_s: int | None


def live(db: sqlite3.Connection, agent: int, now_s: int, instance: str | None = None, below: int = LATEST) -> Live:
    """Those of an agent, or of one of its instances, as of the first `below` records."""
    query = (
        "SELECT count(*), max(expires) FROM svid WHERE agent = ? AND expires >= ? AND (? IS NULL OR instance = ?)"
        " AND seq < ?"
    )
    return Live(*db.execute(query, (agent, now_s, instance, instance, below)).fetchone())


def live_under(db: sqlite3.Connection, authority: int, now_s: int, below: int = LATEST) -> Live:
    """Those that the signing key of that row signed: what depends on it."""
    query = "SELECT count(*), max(expires) FROM svid WHERE authority = ? AND expires >= ? AND seq < ?"
    return Live(*db.execute(query, (authority, now_s, below)).fetchone())


def key_owner(db: sqlite3.Connection, kid: str, but: int | None = None) -> str | None:
    """The name of an agent, other than `but`, that was ever certified with the key of that thumbprint."""
    query = "SELECT a.name FROM svid s JOIN agent a ON a.id = s.agent WHERE s.kid = ? AND s.agent IS NOT ? LIMIT 1"
    row = db.execute(query, (kid, but)).fetchone()
    return str(row[0]) if row else None
