"""Questions about the database itself, for whoever examines it."""

from __future__ import annotations

import sqlite3


def quick_check(db: sqlite3.Connection) -> list[str]:
    """What SQLite finds wrong with its own file; empty if nothing."""
    return [row[0] for row in db.execute("PRAGMA quick_check(5)") if row[0] != "ok"]


def journal_mode(db: sqlite3.Connection) -> str:
    """`wal` in a home."""
    return str(db.execute("PRAGMA journal_mode").fetchone()[0])


def programs(db: sqlite3.Connection) -> list[str]:
    """Triggers and views: ours has none."""
    return [str(row[0]) for row in db.execute("SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index')")]


def size(db: sqlite3.Connection) -> int:
    """Bytes of the database, without its log."""
    pages, of = (int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "page_size"))
    return pages * of


def newest_lines(db: sqlite3.Connection, most: int) -> list[bytes]:
    """The last `most` lines of the log, newest first."""
    return [row[0] for row in db.execute("SELECT CAST(line AS BLOB) FROM log ORDER BY seq DESC LIMIT ?", (most,))]
