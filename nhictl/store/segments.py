"""Segments of the log that were moved out: of each line its leaf hash stays, so that chain, tree and proofs go on."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from nhictl.core.ledger.merkle import leaf_hash
from nhictl.store.log import is_stub


class Segment(NamedTuple):
    """A segment ends before record `size`; record `seq` says so; its lines are in a file of that name."""

    size: int
    seq: int
    file: str


def all_of(db: sqlite3.Connection) -> list[Segment]:
    """The segments that were moved out, in order."""
    return [Segment(*row) for row in db.execute("SELECT size, seq, file FROM cut_log ORDER BY size")]


def add(db: sqlite3.Connection, segment: Segment) -> None:
    """Note a segment, inside the act that records it."""
    db.execute("INSERT INTO cut_log (size, seq, file) VALUES (?, ?, ?)", segment)


def note_at_or_below(db: sqlite3.Connection, size: int) -> tuple[int, str] | None:
    """The newest checkpoint over at most `size` records, None if there is none."""
    query = "SELECT size, CAST(note AS BLOB) FROM checkpoint WHERE size <= ? ORDER BY size DESC LIMIT 1"
    row = db.execute(query, (size,)).fetchone()
    return (row[0], row[1].decode("utf-8", "replace")) if row else None


def whole(db: sqlite3.Connection, below: int, most: int, keep: bytes) -> list[tuple[int, bytes]]:
    """Up to `most` records below a number whose lines are still there, but those that hold the text `keep`, and the first."""
    query = (
        "SELECT seq, CAST(line AS BLOB) FROM log WHERE seq > 0 AND seq < ? AND length(line) != 33"
        " AND NOT instr(substr(line, 1, 80), ?) ORDER BY seq LIMIT ?"
    )
    return db.execute(query, (below, keep, most)).fetchall()


def reduce(db: sqlite3.Connection, rows: list[tuple[int, bytes]]) -> None:
    """Leave of these lines their leaf hashes."""
    made = [(b"\0" + leaf_hash(line), seq) for seq, line in rows]
    db.executemany("UPDATE log SET line = ? WHERE seq = ?", made)


def drop_notes(db: sqlite3.Connection, below: int) -> None:
    """Let go of the checkpoints over fewer records."""
    db.execute("DELETE FROM checkpoint WHERE size < ?", (below,))


def leaf(db: sqlite3.Connection, seq: int) -> str | None:
    """The leaf hash of a record, hex, whether its line is here or not."""
    row = db.execute("SELECT CAST(line AS BLOB) FROM log WHERE seq = ?", (seq,)).fetchone()
    if row is None:
        return None
    return row[0][1:].hex() if is_stub(row[0]) else leaf_hash(row[0]).hex()
