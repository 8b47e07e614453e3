"""The log's tables: lines, head, checkpoints, sealed content. Appending happens only inside an act's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple


class HeadRow(NamedTuple):
    """Where the log ends: record count, time of the newest (µs), what the next record carries as `prev`, tree state."""

    size: int
    ts: int
    prev: str
    subtrees: bytes


def head(db: sqlite3.Connection) -> HeadRow | None:
    """The head, or None before the first record."""
    row = db.execute("SELECT size, ts, prev, subtrees FROM head WHERE id = 0").fetchone()
    return HeadRow(*row) if row else None


class Beginning(NamedTuple):
    """What an act begins with: the head, the checkpoint over it, the newest line, whether there are lines behind the head,
    and the log key in force.
    """

    head: HeadRow
    note: str | None
    newest: bytes | None
    beyond: bool
    kid: str | None


def beginning(db: sqlite3.Connection) -> Beginning | None:
    """All of it in one statement, which every act asks first; None before the first record."""
    row = db.execute(
        "SELECT size, ts, prev, subtrees, (SELECT CAST(note AS BLOB) FROM checkpoint WHERE size = head.size),"
        " (SELECT CAST(line AS BLOB) FROM log WHERE seq = size - 1), EXISTS (SELECT 1 FROM log WHERE seq >= size),"
        " (SELECT kid FROM signing_key WHERE use = 'log' AND state = 'active' ORDER BY id DESC LIMIT 1)"
        " FROM head WHERE id = 0"
    ).fetchone()
    if row is None:
        return None
    return Beginning(HeadRow(*row[:4]), _text(row[4]) if row[4] is not None else None, row[5], bool(row[6]), row[7])


def is_stub(line: bytes) -> bool:
    """Whether only a leaf hash stands in the place of a line whose segment was moved out."""
    return len(line) == 33 and line[:1] == b"\0"


def time(db: sqlite3.Connection, seq: int) -> int | None:
    """When a record was appended, in microseconds; None if there is none."""
    row = db.execute("SELECT ts FROM log WHERE seq = ?", (seq,)).fetchone()
    return row[0] if row else None


def append(db: sqlite3.Connection, seq: int, ts: int, task: int | None, line: bytes) -> None:
    """Store one line under its number."""
    db.execute("INSERT INTO log (seq, ts, task, line) VALUES (?, ?, ?, ?)", (seq, ts, task, line))


def set_head(db: sqlite3.Connection, row: HeadRow, note: str) -> None:
    """Move the head and keep the checkpoint that was signed over it."""
    db.execute("INSERT OR REPLACE INTO head (id, size, ts, prev, subtrees) VALUES (0, ?, ?, ?, ?)", row)
    db.execute("INSERT INTO checkpoint (size, note) VALUES (?, ?)", (row.size, note))


def line(db: sqlite3.Connection, seq: int) -> bytes | None:
    """One stored line; None where there is none, or its segment was moved out."""
    row = db.execute("SELECT CAST(line AS BLOB) FROM log WHERE seq = ?", (seq,)).fetchone()
    return row[0] if row and not is_stub(row[0]) else None


def lines(db: sqlite3.Connection, task: int | None = None, below: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Stored (seq, line) in order: all, or one task's, up to but without `below`. One statement, so one snapshot."""
    top = below if below is not None else 1 << 62
    what = "SELECT seq, CAST(line AS BLOB) FROM log"  # bytes, also where somebody else has put text
    if task is None:
        rows = db.execute(f"{what} WHERE seq < ? ORDER BY seq", (top,))
    else:
        rows = db.execute(f"{what} WHERE task = ? AND seq < ? ORDER BY seq", (task, top))
    for row in rows:
        if row[1][:1] != b"\0":  # moved out with its segment
            yield row


def chained(db: sqlite3.Connection, below: int | None = None) -> Iterator[tuple[int, bytes]]:
    """The same with what is left of lines that were moved out: what the chain and the tree are made of."""
    query = "SELECT seq, CAST(line AS BLOB) FROM log WHERE seq < ? ORDER BY seq"
    for row in db.execute(query, (below if below is not None else 1 << 62,)):  # noqa: UP028 - closing it asks no database
        yield row


def mentioning(db: sqlite3.Connection, task: int, needle: bytes, after: int = -1) -> Iterator[tuple[int, bytes]]:
    """Stored (seq, line) of one task, later than record `after`, whose line holds these bytes somewhere, newest first."""
    query = "SELECT seq, CAST(line AS BLOB) FROM log WHERE task = ? AND seq > ? AND instr(line, ?) ORDER BY seq DESC"
    yield from db.execute(query, (task, after, needle))


def piece(db: sqlite3.Connection, start: int, end: int) -> list[tuple[int, bytes]]:
    """Stored (seq, line) from `start` up to but without `end`, held whole."""
    query = "SELECT seq, CAST(line AS BLOB) FROM log WHERE seq >= ? AND seq < ? ORDER BY seq"
    return db.execute(query, (start, end)).fetchall()


def version(db: sqlite3.Connection) -> int:
    """A number that changes when another connection has committed, and not when this one has."""
    return int(db.execute("PRAGMA data_version").fetchone()[0])


def size_at(db: sqlite3.Connection, at_us: int) -> int:
    """How many records the log held at `at_us`: binary search, since `ts` never decreases."""
    row = head(db)
    low, high = 0, row.size if row else 0
    while low < high:
        middle = (low + high) // 2
        found = db.execute("SELECT ts FROM log WHERE seq = ?", (middle,)).fetchone()
        if found is None or found[0] > at_us:
            high = middle
        else:
            low = middle + 1
    return low


def _text(note: bytes) -> str:
    """Notes are read as bytes: in the column may be anything once somebody else has written there."""
    return note.decode("utf-8", "replace")


def newest_note(db: sqlite3.Connection) -> str | None:
    """The newest checkpoint."""
    row = db.execute("SELECT CAST(note AS BLOB) FROM checkpoint ORDER BY size DESC LIMIT 1").fetchone()
    return _text(row[0]) if row else None


def note_at(db: sqlite3.Connection, size: int) -> str | None:
    """The checkpoint over the first `size` records, None if no commit ended there."""
    row = db.execute("SELECT CAST(note AS BLOB) FROM checkpoint WHERE size = ?", (size,)).fetchone()
    return _text(row[0]) if row else None


def spread_notes(db: sqlite3.Connection, size: int) -> list[str]:
    """Checkpoints at sizes `size`, then at or below `size-1`, `size-2`, `size-4` …: a few, oldest first, dense at the end."""
    found: dict[int, str] = {}
    back = 0
    while back <= size:
        query = "SELECT size, CAST(note AS BLOB) FROM checkpoint WHERE size <= ? ORDER BY size DESC LIMIT 1"
        row = db.execute(query, (size - back,)).fetchone()
        if row:
            found[row[0]] = _text(row[1])
        back = back * 2 or 1
    return [found[key] for key in sorted(found)]


def notes(db: sqlite3.Connection) -> Iterator[tuple[int, str]]:
    """All checkpoints by size."""
    for size, note in db.execute("SELECT size, CAST(note AS BLOB) FROM checkpoint ORDER BY size"):
        yield size, _text(note)


def put_content_key(db: sqlite3.Connection, task: int, sealed: bytes) -> None:
    """Keep the sealed content key of a task (0: of the authority)."""
    db.execute("INSERT INTO content_key (task, sealed) VALUES (?, ?)", (task, sealed))


def content_key(db: sqlite3.Connection, task: int) -> bytes | None:
    """The sealed content key of a task, None if there is none or it was erased."""
    row = db.execute("SELECT sealed FROM content_key WHERE task = ?", (task,)).fetchone()
    return bytes(row[0]) or None if row else None


def is_erased(db: sqlite3.Connection, task: int) -> bool:
    """Whether a task's content key was erased: an empty one stands in its place, so that none is made again."""
    return db.execute("SELECT 1 FROM content_key WHERE task = ? AND length(sealed) = 0", (task,)).fetchone() is not None


def put_content(db: sqlite3.Connection, seq: int, label: str, task: int, sealed: bytes) -> None:
    """Keep one sealed piece of a record's content."""
    db.execute("INSERT INTO content (seq, label, task, sealed) VALUES (?, ?, ?, ?)", (seq, label, task, sealed))


def content(db: sqlite3.Connection, seq: int, label: str) -> tuple[int, bytes] | None:
    """The (task, sealed piece) of a record's content under `label`, None if there is none."""
    row = db.execute("SELECT task, sealed FROM content WHERE seq = ? AND label = ?", (seq, label)).fetchone()
    return (row[0], bytes(row[1])) if row else None


def get_meta(db: sqlite3.Connection) -> dict[str, str]:
    """What `init` wrote down: trust domain, issuer, chain id."""
    return dict(db.execute("SELECT key, value FROM meta"))


def put_meta(db: sqlite3.Connection, values: dict[str, str]) -> None:
    """Write down facts of the authority, once."""
    db.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", values.items())


def add_meta(db: sqlite3.Connection, values: dict[str, str]) -> None:
    """The same for what another process may have written down meanwhile; its word stands."""
    db.executemany("INSERT OR IGNORE INTO meta (key, value) VALUES (?, ?)", values.items())


def imported(db: sqlite3.Connection, digest: str) -> int | None:
    """The record under which a source of this digest was imported before."""
    row = db.execute("SELECT seq FROM imported WHERE digest = ?", (digest,)).fetchone()
    return row[0] if row else None


def any_import(db: sqlite3.Connection) -> bool:
    """Whether any source was ever imported."""
    return db.execute("SELECT 1 FROM imported LIMIT 1").fetchone() is not None


def put_imported(db: sqlite3.Connection, digest: str, seq: int) -> None:
    """Remember an imported source by its digest."""
    db.execute("INSERT INTO imported (digest, seq) VALUES (?, ?)", (digest, seq))
