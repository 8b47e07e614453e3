"""The home as files: modes, owners, links, what does not belong there, and what it lies on."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from nhictl.errors import NhictlError
from nhictl.ops import credentials, key_custody
from nhictl.ops.doctor.report import Check, Patient
from nhictl.ops.high_water import FILE
from nhictl.ops.house import DATABASE, LOCK
from nhictl.ops.publish_trust import TURN
from nhictl.store import ballast, custody, files, keys, lease

CUSTODY_FILES: Final = (keys.KEK_FILE, custody.TURN, key_custody.TURN)
KNOWN: Final = (
    *CUSTODY_FILES,
    DATABASE,
    f"{DATABASE}-wal",
    f"{DATABASE}-shm",
    LOCK,
    TURN,
    FILE,
    ballast.NAME,
    lease.FOLDER,
    credentials.FILE,
)
COPIES: Final = ("before-schema-*.db", "before-restore-*.db")
LEFT_OVER: Final = ("*.unfinished", ".restore-*", ".init-*", ".nhictl-init-*")
"""What a process leaves that was killed while it migrated, restored or initialised."""

_WHO: Final = "find out who did that, then put it right or restore a backup"
_MEGABYTE: Final = 1 << 20


def home(patient: Patient) -> Iterator[Check]:
    """The folder: there, a folder of ours, closed to others, and not in anybody's reach to be replaced."""
    path = patient.given.home
    if not os.path.lexists(path):
        yield Check("home", "bad", f"there is no home at `{path}`", "start one with: nhictl init --trust-domain NAME")
        return
    files.check_directory(path)
    if not patient.given.exists():
        yield Check("home", "bad", f"no authority in `{path}`", "start one with: nhictl init --trust-domain NAME")
        return
    try:
        files.check_parent(path.resolve().parent)
    except NhictlError as e:
        yield Check("home", "warn", e.message, e.hint)
        return
    yield Check("home", "ok", f"`{path}`, mode 0700, uid {os.geteuid()}")


def known_files(patient: Patient) -> Iterator[Check]:
    """Our files: each a regular one of ours, mode 0600, with one name."""
    house, count, faults = patient.given, 0, 0
    wanted = {house.home / name for name in KNOWN} | {house.database}
    wanted |= {path for path in _entries(house.home) if _like(path.name, COPIES)}
    for path in sorted(wanted):
        if not os.path.lexists(path):
            continue
        count += 1
        try:
            files.check_file(path)
        except NhictlError as e:
            faults += 1
            yield Check(f"file:{path.name}", "bad", e.message, e.hint or _WHO)
    if not os.path.lexists(house.database) and house.exists():
        hint = "restore it: nhictl home restore FILE"
        yield Check(f"file:{house.database.name}", "bad", "the database is missing", hint)
    elif not faults:
        yield Check("files", "ok", f"{count} files looked at for owner, mode, kind and second names")


def foreign(patient: Patient) -> Iterator[Check]:
    """What is in the home that we did not put there, and what a killed process left behind."""
    strange, left = [], []
    for path in _entries(patient.given.home):
        if _like(path.name, LEFT_OVER):
            left.append(path.name)
        elif path.name not in KNOWN and not _like(path.name, COPIES) and path != patient.given.database:
            strange.append(path.name)
    if strange:
        yield Check(
            "foreign", "warn", f"not ours: {_some(strange)}", "move what does not belong into the home elsewhere"
        )
    if left:
        yield Check(
            "leftovers", "warn", f"left by a killed process: {_some(left)}", "remove them when nothing is running"
        )
    if not strange and not left:
        yield Check("foreign", "ok", "nothing in the home that is not ours")


def filesystem(patient: Patient) -> Iterator[Check]:
    """What the database lies on: SQLite's write-ahead log needs memory shared on one host."""
    folder = _existing(patient.given.database.parent)
    if kind := files.network_filesystem(folder):
        yield Check(
            "filesystem", "bad", f"`{folder}` is on a network file system ({kind}), where SQLite's log is not safe",
            "move the home to a local disk: nhictl home backup, then nhictl home restore there",
        )  # fmt: skip
    else:
        yield Check("filesystem", "ok", "a local file system")


def disk(patient: Patient) -> Iterator[Check]:
    """Room for what an act writes, in bytes and in files."""
    found = os.statvfs(_existing(patient.given.database.parent))
    free = found.f_bavail * found.f_frsize
    hint = "free some space: if the log cannot be written nothing is granted"
    status = "bad" if free < 10 * _MEGABYTE else "warn" if free < 200 * _MEGABYTE else "ok"
    if found.f_flag & os.ST_RDONLY:
        yield Check("disk", "bad", "the file system is mounted read-only")
    elif found.f_files and found.f_favail < 100:
        yield Check("disk", "bad", f"{found.f_favail} more files can be made", hint)
    elif status == "ok":
        yield Check("disk", "ok", f"{free // _MEGABYTE} MiB free")
    else:
        yield Check("disk", "bad" if status == "bad" else "warn", f"{free // _MEGABYTE} MiB free", hint)


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir() or not stat.S_ISDIR(folder.lstat().st_mode):
        return []
    return sorted(folder.iterdir())


def _like(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(f"`{name}`" for name in names[:5]) + more


def _existing(path: Path) -> Path:
    """The nearest folder that there is."""
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return path
