"""`home restore`: bring a backup back, into an empty home or in place of what is there, which is kept beside it.

Everything is looked at in a copy first: format, schema, log, chain, and whether the keys open. What comes back is older
than what the world has seen, so nothing is granted from it until `doctor --accept-restore`: the high-water mark stays,
and a home that has none is told that one is missing.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final, NamedTuple

from nhictl.errors import ConflictError, InputError, NhictlError, UnavailableError, UnsafeError
from nhictl.ops import high_water
from nhictl.ops.act import Head
from nhictl.ops.audit_log import newest, verify_home
from nhictl.ops.backup_home import KEYS_SUFFIX
from nhictl.ops.house import DATABASE, LOCK, House
from nhictl.ops.turn import log_key
from nhictl.store import copies, files, keys, log, sqlite
from nhictl.store.lock import WriteLock

_ACCEPT: Final = "nhictl doctor --accept-restore"


class Restored(NamedTuple):
    """What was brought back: its head, where the database of before is, and what keeps it from being used."""

    home: Path
    head: Head
    kept: Path | None
    refused: str | None

    def to_json(self) -> dict[str, Any]:
        """The members of `nhictl.restore/v1`."""
        kept = str(self.kept) if self.kept else None
        return {"home": str(self.home), "kept": kept, "refused": self.refused, "log": self.head.to_json()}


def restore(house: House, source: str, *, keys_file: str | None, replace: bool) -> Restored:
    """Restore the backup `source`.

    ConflictError (5) if the home has a database and `replace` is not set, or the backup is another authority's;
    InputError (2) for what is no backup; UnsafeError (6) for one of a newer schema, one whose log was altered, or whose
    keys do not open. In each of these cases nothing was changed.
    """
    there = files.identity(house.database) is not None
    if there and not replace:
        raise ConflictError(
            f"`{house.home}` has a database", code="already_initialised",
            hint="--replace puts the backup in its place, and keeps the old one beside it",
        )  # fmt: skip
    files.make_directory(house.home)
    key, sealer = _keys(house, Path(source).expanduser(), keys_file)
    lock = WriteLock(house.home / LOCK)
    lock.acquire(house.lock_timeout)
    workshop = None
    try:
        for left in house.database.parent.glob(".restore-*"):  # of a restore that was killed: it may hold a second name
            shutil.rmtree(left, ignore_errors=True)
        workshop = Path(tempfile.mkdtemp(prefix=".restore-", dir=house.database.parent))
        draft = House(workshop, workshop / DATABASE, clock=house.clock)
        head = _examined(draft, Path(source).expanduser(), sealer)
        if there and (chain := _chain_here(house)) is not None and chain != head.chain:
            raise ConflictError(
                "the backup is another authority's than this home's", code="chain_foreign",
                hint="restore it into an empty home with --home",
            )  # fmt: skip
        kept = _install(house, draft.database, key, there=there)
    except OSError as e:
        raise UnavailableError(f"cannot write in `{house.home}`: {(e.strerror or str(e)).lower()}") from e
    finally:
        if workshop is not None:
            shutil.rmtree(workshop, ignore_errors=True)
        lock.release()
    return Restored(house.home, head, kept, _refused(house))


def _keys(house: House, source: Path, keys_file: str | None) -> tuple[bytes | None, keys.Sealer]:
    """The file to install where the home has none, and what opens the backup. Before the lock: opening may ask or take long."""
    if files.identity(house.home / keys.KEK_FILE) is not None:
        return None, house.sealer
    content = _read_key(source, keys_file)
    return content, keys.load(house.home, house.passphrase, content).sealer()


def _examined(draft: House, source: Path, sealer: keys.Sealer) -> Head:
    """Fetch the backup into `draft` and look at it; returns its head."""
    copies.fetch(source, draft.database)
    draft.keeps_mark = False
    draft.adopt(sqlite.open_existing(draft.database, draft.home / LOCK), sealer)  # an older schema is migrated here
    try:
        log_key(draft)
        found = verify_home(draft, ())
        if found.exit:
            raise UnsafeError(f"the log of the backup is not in order: {found.message}", code="backup_tampered")
        with sqlite.guarded("prepare the backup"):
            log.add_meta(draft.db, {high_water.KEPT: "1"})
        return newest(draft)[1]
    finally:
        draft.close()


def _read_key(source: Path, keys_file: str | None) -> bytes:
    """The file `kek` that belongs to a backup: the one named, else the one beside it."""
    path = Path(keys_file).expanduser() if keys_file else source.with_name(source.name + KEYS_SUFFIX)
    try:
        with path.open("rb") as file:
            return file.read(keys.MAX_KEK_FILE + 1)
    except FileNotFoundError as e:
        raise InputError(
            f"the home has no key-encryption key, and there is none at `{path}`", code="key_missing",
            hint="name its file with --keys; without it the backup can only be verified",
        ) from e  # fmt: skip
    except OSError as e:
        raise InputError(f"cannot read `{path}`: {(e.strerror or str(e)).lower()}", code="unreadable") from e


def _chain_here(house: House) -> str | None:
    """Which log the home's own database holds, else which one its mark is of; None if neither can be read."""
    from nhictl.core.ledger import checkpoint

    with contextlib.suppress(NhictlError):
        old = House(house.home, house.database)
        try:
            old.adopt(sqlite.open_existing(house.database))
            return old.meta["chain"]
        finally:
            old.close()
    with contextlib.suppress(NhictlError, ValueError):
        return checkpoint.parse((high_water.read(house) or b"").decode()).chain
    return None


def _install(house: House, copy: Path, key: bytes | None, *, there: bool) -> Path | None:
    """Put the copy in its place; returns where the database of before is now.

    It becomes the content of the database that is there, so that whoever has it open sees it; a new file only where there
    is none, or where it is too damaged for that. The key comes first: it alone can do nothing.
    """
    if key is not None:
        files.write_new(house.home / keys.KEK_FILE, key)
    kept = None
    if there:
        kept = _free_name(house.database)
        if copies.duplicate(house.database, copy.with_name("before.db"), kept) and copies.overwrite(
            house.database, copy
        ):
            return kept
        kept = _set_aside(house.database)
    copies.make_live(copy)
    copies.put(copy, house.database)
    return kept


def _free_name(database: Path) -> Path:
    """`before-restore-1.db`, or the first number that is free."""
    number = 1
    while (target := database.with_name(f"before-restore-{number}.db")).exists():
        number += 1
    return target


def _set_aside(database: Path) -> Path:
    """Rename what cannot be read, with its logs, to a name that is free."""
    target = _free_name(database)
    for side in ("-shm", "-wal", ""):
        beside = database.with_name(database.name + side)
        if files.identity(beside) is not None:
            beside.rename(target.with_name(target.name + side))
    return target


def _refused(house: House) -> str | None:
    """Why nothing is granted from the database now; None if it holds the mark, so that nothing was lost."""
    fresh = House(house.home, house.database)
    try:
        high_water.refuse_put_back(fresh)
    except NhictlError as e:
        return f"{e.message}; {_ACCEPT}"
    finally:
        fresh.close()
    return None
