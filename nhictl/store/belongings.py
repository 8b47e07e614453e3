"""What belongs to one agent only: its running copies and which of them are suspended, its own keys, its aliases."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from nhictl.store.agents import LATEST


def known(db: sqlite3.Connection, agent: int, instance: str) -> bool:
    """Whether a task or an X.509-SVID of the agent was ever bound to that instance, or a token delegated to it."""
    query = (
        "SELECT 1 FROM task WHERE agent = ? AND instance = ?"
        " UNION ALL SELECT 1 FROM svid WHERE agent = ? AND instance = ?"
        " UNION ALL SELECT 1 FROM delegation d JOIN token t ON t.id = d.token WHERE d.actor = ? AND t.instance = ? LIMIT 1"
    )
    return db.execute(query, (agent, instance, agent, instance, agent, instance)).fetchone() is not None


def is_suspended(db: sqlite3.Connection, agent: int, instance: str, below: int = LATEST) -> bool:
    """Whether that instance of the agent was suspended as of the first `below` records."""
    query = "SELECT state FROM instance_version WHERE agent = ? AND instance = ? AND seq < ? ORDER BY seq DESC LIMIT 1"
    row = db.execute(query, (agent, instance, below)).fetchone()
    return row is not None and row[0] == "suspended"


def suspended(db: sqlite3.Connection, below: int = LATEST) -> dict[int, list[str]]:
    """The suspended instances as of the first `below` records, in order, by agent."""
    query = (
        "SELECT v.agent, v.instance FROM instance_version v WHERE v.state = 'suspended' AND v.seq = (SELECT max(seq)"
        " FROM instance_version WHERE agent = v.agent AND instance = v.instance AND seq < ?) ORDER BY v.instance"
    )
    found: dict[int, list[str]] = {}
    for agent, instance in db.execute(query, (below,)):
        found.setdefault(agent, []).append(instance)
    return found


def set_state(db: sqlite3.Connection, agent: int, instance: str, seq: int, state: str) -> None:
    """From record `seq` on the instance is `suspended` or `active`."""
    query = "INSERT INTO instance_version (agent, instance, seq, state) VALUES (?, ?, ?, ?)"
    db.execute(query, (agent, instance, seq, state))


def key_owner(db: sqlite3.Connection, kid: str) -> str | None:
    """The name of the agent that has or ever had the key of that thumbprint."""
    row = db.execute("SELECT a.name FROM agent_key k JOIN agent a ON a.id = k.agent WHERE k.kid = ?", (kid,)).fetchone()
    return str(row[0]) if row else None


def is_signing_key(db: sqlite3.Connection, kid: str) -> bool:
    """Whether the authority itself signs with the key of that thumbprint, or did."""
    return db.execute("SELECT 1 FROM signing_key WHERE kid = ?", (kid,)).fetchone() is not None


def add_key(db: sqlite3.Connection, kid: str, agent: int, seq: int) -> None:
    """The key is that agent's from record `seq` on, and nobody else's ever."""
    db.execute("INSERT INTO agent_key (kid, agent, seq) VALUES (?, ?, ?)", (kid, agent, seq))


def by_alias(db: sqlite3.Connection, alias: str, below: int = LATEST) -> int | None:
    """The row id of the agent that went by that alias as of the first `below` records."""
    query = (
        "SELECT agent FROM agent_alias WHERE alias = ? AND seq < ? AND (ended IS NULL OR ended >= ?)"
        " ORDER BY seq DESC LIMIT 1"
    )
    row = db.execute(query, (alias, below, below)).fetchone()
    return int(row[0]) if row else None


def set_aliases(db: sqlite3.Connection, agent: int, seq: int, before: Iterable[str], after: Iterable[str]) -> None:
    """From record `seq` on the agent goes by the aliases `after` and no longer by others of `before`."""
    old, new = set(before), set(after)
    ending = "UPDATE agent_alias SET ended = ? WHERE alias = ? AND agent = ? AND ended IS NULL"
    db.executemany(ending, [(seq, alias, agent) for alias in sorted(old - new)])
    adding = "INSERT INTO agent_alias (alias, seq, agent) VALUES (?, ?, ?)"
    db.executemany(adding, [(alias, seq, agent) for alias in sorted(new - old)])
