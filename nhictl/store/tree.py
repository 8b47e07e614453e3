"""The kept nodes of the log's tree (`core/ledger/kept_tree.py`), and what reads the log by its index on tasks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from nhictl.core.ledger.kept_tree import TILE
from nhictl.core.ledger.merkle import tree_hash
from nhictl.store.segments import leaf_of


class Subtree:
    """The SQL aggregate `subtree(level, index, data)`: the node over 16 lines (level 0) or nodes; NULL where one is lacking."""

    def __init__(self) -> None:
        self._found: list[tuple[int, bytes]] = []

    def step(self, level: int, index: int, data: bytes) -> None:
        """Take a line, or the leaf hash that is left of it; or a node."""
        if level == 0:
            data = leaf_of(data)
        self._found.append((index, data))

    def finalize(self) -> bytes | None:
        """The node over them."""
        return tree_hash(each for _, each in sorted(self._found)) if len(self._found) == TILE else None


def keep(db: sqlite3.Connection, nodes: Iterable[tuple[int, int, bytes]]) -> None:
    """Keep nodes (level, index, hash), inside the act that finished them."""
    for node in nodes:
        db.execute("INSERT OR REPLACE INTO tree (level, idx, hash) VALUES (?, ?, ?)", node)


def node(db: sqlite3.Connection, level: int, index: int) -> bytes | None:
    """A kept node."""
    row = db.execute("SELECT CAST(hash AS BLOB) FROM tree WHERE level = ? AND idx = ?", (level, index)).fetchone()
    return row[0] if row else None


def seqs(db: sqlite3.Connection, task: int) -> list[int]:
    """The numbers of one task's records, by the index."""
    return [row[0] for row in db.execute("SELECT seq FROM log WHERE task = ? ORDER BY seq", (task,))]


def named(db: sqlite3.Connection, task: int) -> set[int]:
    """The numbers of the records that the state names as this task's: opened, ended, and its first thousand tokens."""
    query = (
        "SELECT seq FROM task WHERE id = ?1 UNION SELECT ended FROM task WHERE id = ?1 AND ended IS NOT NULL"
        " UNION SELECT seq FROM (SELECT seq FROM token WHERE task = ?1 LIMIT 1000)"
    )
    return {row[0] for row in db.execute(query, (task,))}


def key_records(db: sqlite3.Connection) -> list[int]:
    """The numbers of the records that name the keys of the log, oldest first."""
    return [row[0] for row in db.execute("SELECT seq FROM signing_key WHERE use = 'log' ORDER BY id")]
