"""Whole copies of the database, to be kept elsewhere and brought back. Made by SQLite's backup API, while others write."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from nhictl.errors import ConflictError, InputError, UnavailableError, UnsafeError
from nhictl.store import files, sqlite


def make_portable(path: Path) -> None:
    """Turn a copy into one file that can be read where nothing can be written: no log beside it."""
    with sqlite.guarded("finish the copy"), contextlib.closing(sqlite3.connect(path)) as copy:
        copy.execute("PRAGMA journal_mode=DELETE")


def make_live(path: Path) -> None:
    """The opposite: SQLite's write-ahead log, as the database of a home has it."""
    with sqlite.guarded("finish the copy"), contextlib.closing(sqlite3.connect(path)) as copy:
        copy.execute("PRAGMA journal_mode=WAL")


def put(path: Path, target: Path) -> None:
    """Give a finished file its name; ConflictError (5) if something has it. Both are on one file system."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        target.hardlink_to(path)
        path.unlink()
        files.sync_directory(target.parent)
    except FileExistsError as e:
        raise ConflictError(f"`{target}` exists already", code="exists", hint="nothing is overwritten") from e
    except OSError as e:
        raise UnavailableError(f"cannot write `{target}`: {(e.strerror or str(e)).lower()}") from e


def fetch(source: Path, target: Path) -> None:
    """Copy somebody's backup to `target`, a new file of mode 0600; InputError (2) if it is none.

    It is opened read-only and may lie where nothing can be written. Ours have no triggers and no views: what could run
    by itself later is refused.
    """
    beside = source.with_name(source.name + "-wal")
    alone = not (beside.exists() and beside.stat().st_size)
    if not source.is_file():
        raise InputError(f"`{source}` is not a file", code="unreadable")
    try:
        handle = source.open("rb")
    except OSError as e:
        raise InputError(f"cannot read `{source}`: {(e.strerror or str(e)).lower()}", code="unreadable") from e
    with handle:
        if handle.read(16) != b"SQLite format 3\0":
            raise InputError(f"`{source}` is not a backup of ours", code="backup_malformed")
    files.write_new(target, b"")
    uri = f"file:{quote(str(source.resolve()))}?mode=ro" + ("&immutable=1" if alone else "")
    try:
        with (
            contextlib.closing(sqlite3.connect(uri, uri=True)) as old,
            contextlib.closing(sqlite3.connect(target)) as new,
        ):
            old.execute("PRAGMA trusted_schema=OFF")
            old.backup(new)
            if (said := new.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise InputError(f"`{source}` is damaged: {said}", code="backup_malformed")
            if new.execute("SELECT 1 FROM sqlite_master WHERE type NOT IN ('table', 'index')").fetchone():
                raise UnsafeError(f"`{source}` holds triggers or views: it is not a backup of ours", code="unsafe")
    except sqlite3.DatabaseError as e:
        raise InputError(f"`{source}` cannot be read as a backup: {e}", code="backup_malformed") from e


def duplicate(path: Path, unfinished: Path, target: Path) -> bool:
    """Copy a database of ours, of whatever schema, to `target` by way of `unfinished`; False if it is too damaged."""
    files.check_file(path)
    try:
        with contextlib.closing(sqlite3.connect(path)) as old:
            old.execute("SELECT 1 FROM sqlite_master").fetchone()
            sqlite.backup(old, unfinished)
    except sqlite3.DatabaseError:
        return False
    make_portable(unfinished)
    put(unfinished, target)
    return True


def overwrite(path: Path, source: Path) -> bool:
    """Bring the content of `source` into the database at `path` in one transaction; False if that one is too damaged.

    Nobody who has it open has to be told: the next question of each sees the new content, and a crash leaves the old.
    """
    try:
        with (
            contextlib.closing(sqlite3.connect(source)) as new,
            contextlib.closing(sqlite3.connect(path, timeout=sqlite.BUSY_MS / 1000)) as old,
        ):
            old.execute("PRAGMA synchronous=FULL")
            new.backup(old)
    except sqlite3.OperationalError as e:
        raise UnavailableError(f"cannot write `{path}`: {e}", hint="nothing was changed") from e
    except sqlite3.DatabaseError:
        return False
    return True
