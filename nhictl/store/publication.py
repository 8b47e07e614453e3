"""What was published where: the folders to publish in again, and the sequence of the SPIFFE bundle."""

from __future__ import annotations

import sqlite3


def folders(db: sqlite3.Connection) -> list[str]:
    """The folders that were published in, absolute, by name."""
    return [str(row[0]) for row in db.execute("SELECT folder FROM publication ORDER BY folder")]


def remember(db: sqlite3.Connection, folder: str, seq: int) -> None:
    """From record `seq` on the folder holds what that record says."""
    db.execute("INSERT OR REPLACE INTO publication (folder, seq) VALUES (?, ?)", (folder, seq))


def newest_bundle(db: sqlite3.Connection) -> tuple[int, str]:
    """The (sequence, digest of the content) of the bundle that was published last; (0, "") before the first."""
    row = db.execute("SELECT sequence, digest FROM bundle ORDER BY sequence DESC LIMIT 1").fetchone()
    return (int(row[0]), str(row[1])) if row else (0, "")


def add_bundle(db: sqlite3.Connection, sequence: int, digest: str, seq: int) -> None:
    """Another content of the bundle, first published by record `seq`."""
    db.execute("INSERT INTO bundle (sequence, digest, seq) VALUES (?, ?, ?)", (sequence, digest, seq))
