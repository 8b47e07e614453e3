"""`home backup`: a whole copy of the database while others write, checked before it gets its name.

It holds everything but the key-encryption key: with that beside it, the copy could sign as the authority.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from nhictl.core.ledger import verify as ledger
from nhictl.errors import ConflictError, InputError, NotFoundError, UnavailableError
from nhictl.ops.act import Head
from nhictl.ops.audit_log import newest, verify_home
from nhictl.ops.house import DATABASE, House
from nhictl.store import copies, files, keys, sqlite

KEYS_SUFFIX = ".kek"


class Backup(NamedTuple):
    """Where the copy is, where its key-encryption key if that was asked for, its newest head, and what its log proves."""

    path: Path
    keys: Path | None
    head: Head
    integrity: ledger.Integrity

    def to_json(self) -> dict[str, Any]:
        """The members of `nhictl.backup/v1`."""
        kek = str(self.keys) if self.keys else None
        return {"path": str(self.path), "keys": kek, "integrity": self.integrity.to_json(), "log": self.head.to_json()}


def backup(house: House, target: str, *, with_keys: bool) -> Backup:
    """Copy the database to a new file, or into a folder under a name of its own, and verify the copy.

    ConflictError (5) if the file exists, InputError (2) for a place in the home, UnavailableError (7) if it cannot be
    written. A log that does not verify is copied all the same: it is evidence.
    """
    db = house.db
    path = Path(target).expanduser()
    folder = path if path.is_dir() else path.parent
    if not folder.is_dir():
        raise InputError(f"`{folder}` is not a folder", code="unreadable")
    inside = folder.resolve()
    if inside == house.home.resolve() or house.home.resolve() in inside.parents:
        raise InputError(f"`{target}` is in the home: it would be lost with it", code="usage")
    try:
        with tempfile.TemporaryDirectory(prefix=".nhictl-backup-", dir=folder) as made:
            copy = Path(made) / DATABASE
            sqlite.backup(db, copy)
            head, found = _look(house, copy)
            copies.make_portable(copy)
            if path == folder:
                path = folder / f"nhictl-{head.chain[:8]}-{head.size}.db"
            if path.exists() or path.is_symlink():
                raise ConflictError(f"`{path}` exists already", code="exists", hint="nothing is overwritten")
            kek = _put_keys(house, path) if with_keys else None
            copies.put(copy, path)
    except OSError as e:
        raise UnavailableError(f"cannot write in `{folder}`: {(e.strerror or str(e)).lower()}") from e
    return Backup(path, kek, head, found)


def _look(house: House, copy: Path) -> tuple[Head, ledger.Integrity]:
    """The newest head of a copy and what its log proves; the home's mark says nothing about it."""
    draft = House(house.home, copy, clock=house.clock)
    draft.keeps_mark = False
    draft.adopt(sqlite.open_existing(copy))
    try:
        found = verify_home(draft, ())
        try:
            _, head = newest(draft)
        except (NotFoundError, ValueError):
            head = Head(found.chain or "", found.size, found.root)
        return head, found
    finally:
        draft.close()


def _put_keys(house: House, path: Path) -> Path:
    """The key-encryption key beside the copy, 0600."""
    place = path.with_name(path.name + KEYS_SUFFIX)
    try:
        files.write_new(place, files.read_secret(house.home / keys.KEK_FILE, keys.MAX_KEK_FILE))
    except FileExistsError as e:
        raise ConflictError(f"`{place}` exists already", code="exists", hint="nothing is overwritten") from e
    return place
