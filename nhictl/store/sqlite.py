"""The SQLite database: opened with checked modes, migrated forward only, closed to everybody but its owner."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from nhictl.errors import NhictlError, UnavailableError, UnsafeError
from nhictl.store import files
from nhictl.store.schema import MIGRATIONS, VERSION

BUSY_MS: Final = 5000


def unavailable(error: sqlite3.Error, doing: str) -> NhictlError:
    """The error of ours that a database error means: damage is exit 6, everything else exit 7."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return UnsafeError(f"the database is damaged: {error}", code="store_damaged", hint="restore it from a backup")
    hint = {"SQLITE_FULL": "free space on the disk and try again", "SQLITE_READONLY": "the home must be writable"}
    return UnavailableError(f"cannot {doing}: {error}", hint=hint.get(name[:15].rstrip("_"), hint.get(name)))


class guarded:  # noqa: N801  # used like a function; a generator would cost every act four calls more
    """Turn SQLite's errors inside into ours."""

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        """Nothing has failed yet."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise unavailable(error, self._doing) from error


def create(path: Path) -> sqlite3.Connection:
    """Create the database with mode 0600 and all tables; FileExistsError if there is one already."""
    if kind := files.network_filesystem(path.parent):
        raise UnsafeError(
            f"`{path.parent}` is on a network file system ({kind}), where SQLite's log is not safe",
            hint="choose a home on a local disk with --home",
        )
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    os.fchmod(handle, 0o600)
    os.close(handle)  # before SQLite opens it: see the package's docstring
    with guarded("create the database"):
        connection = _connect(path)
        connection.execute("PRAGMA auto_vacuum=NONE")
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise UnsafeError(f"the file system under `{path}` does not allow SQLite's WAL mode ({mode})")
        _migrate(connection, 0)
    return connection


def open_existing(path: Path, lock: Path | None = None, timeout: float = 0) -> sqlite3.Connection:
    """Open the database of a home that has one; refuse a missing, loose, damaged or newer one (exit 6).

    An older one is migrated under the writers' lock, the file `lock`, waiting for it up to `timeout` seconds; without
    one it is refused too.
    """
    files.check_file(path)
    for side in ("-wal", "-shm"):
        try:
            files.check_file(path.with_name(path.name + side))
        except UnsafeError as e:
            if not isinstance(e.__cause__, FileNotFoundError):  # the last process to leave takes them away
                raise
    with guarded("open the database"):
        connection = _connect(path)
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version < 1:
                raise UnsafeError(f"`{path}` is not a finished nhictl database", code="home_incomplete")
            if version < VERSION:
                if lock is None:
                    raise UnsafeError(f"the database has schema {version}, not {VERSION}", code="schema_older")
                _migrate_in_turn(connection, path, lock, timeout)
            elif version > VERSION:
                raise _newer(version)
        except BaseException:
            connection.close()  # a database that is refused is left as it was, without a log beside it
            raise
    return connection


def _newer(version: int) -> UnsafeError:
    return UnsafeError(
        f"the database has schema {version}, this nhictl knows {VERSION}", code="schema_newer",
        hint="use the newer nhictl that wrote it",
    )  # fmt: skip


def _migrate_in_turn(connection: sqlite3.Connection, path: Path, lock: Path, timeout: float) -> None:
    """Migrate as the only writer. Whoever had the lock before may have done it already, and more than we know."""
    from nhictl.store.lock import WriteLock

    turn = WriteLock(lock)
    turn.acquire(timeout)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise _newer(version)
        if version < VERSION:
            backup(connection, path.with_name(f"before-schema-{version + 1}.db"))
            _migrate(connection, version)
    finally:
        turn.release()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None, cached_statements=64)
    try:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA trusted_schema=OFF")
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    from nhictl.store import tree

    connection.create_aggregate("subtree", 3, tree.Subtree)  # type: ignore[arg-type]  # the stub knows no bytes
    connection.execute("BEGIN EXCLUSIVE")
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] != version:
            raise UnsafeError("the schema was changed by a writer that holds no lock", code="schema_changed")
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={VERSION:d}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def backup(connection: sqlite3.Connection, target: Path) -> None:
    """A whole copy at `target`, mode 0600 and durable, by SQLite's own backup; one that was there is replaced.

    Until it is complete it has another name, so that what bears this one can be restored.
    """
    unfinished = target.with_name(target.name + ".unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        files.write_new(unfinished, b"")
        copy = sqlite3.connect(unfinished)
        try:
            connection.backup(copy)
        finally:
            copy.close()
        unfinished.rename(target)
        files.sync_directory(target.parent)
    except (OSError, sqlite3.Error) as e:
        unfinished.unlink(missing_ok=True)
        raise UnavailableError(f"cannot back up the database to `{target}`: {e}") from e
