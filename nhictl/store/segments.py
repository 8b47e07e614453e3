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


def leaf_of(line: bytes) -> bytes:
    """The leaf hash of a stored line, or what is left of one."""
    return line[1:] if is_stub(line) else leaf_hash(line)


def leaf(db: sqlite3.Connection, seq: int) -> str | None:
    """The leaf hash of a record, hex, whether its line is here or not."""
    row = db.execute("SELECT CAST(line AS BLOB) FROM log WHERE seq = ?", (seq,)).fetchone()
    return leaf_of(row[0]).hex() if row else None


def forget_tokens(db: sqlite3.Connection, before_s: int, most: int) -> int:
    """Let go of up to `most` tokens that had expired before that second, and of what was delegated by them; how many.

    The newest of all stays, so that no row id is given twice. Whose entry in a status list was theirs stays known.
    """
    gone = "SELECT id FROM token WHERE expires < ?1 AND id < (SELECT max(id) FROM token) ORDER BY id LIMIT ?2"
    db.execute("INSERT OR IGNORE INTO token_gone (id, before) VALUES (0, 0)")
    db.execute("UPDATE token_gone SET before = max(before, ?)", (before_s,))
    db.execute(f"DELETE FROM delegation WHERE token IN ({gone})", (before_s, most))  # noqa: S608 - a constant of this function
    return db.execute(f"DELETE FROM token WHERE id IN ({gone})", (before_s, most)).rowcount  # noqa: S608


def tokens_gone(db: sqlite3.Connection) -> int:
    """The second before which tokens that had expired may have been let go of; 0 if none was."""
    row = db.execute("SELECT before FROM token_gone").fetchone()
    return int(row[0]) if row else 0


def forget_spent(db: sqlite3.Connection, now_s: int) -> None:
    """Let go of what was remembered so that it is not used twice, once no clock takes it for good."""
    db.execute("DELETE FROM spent WHERE until < ?", (now_s,))
    db.execute("DELETE FROM proof WHERE until <= ?", (now_s,))
