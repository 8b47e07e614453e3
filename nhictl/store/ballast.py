"""A file beside the database that does nothing but take up room, so that revocation has some when the disk is full.

Whatever only takes authority away may let a piece of it go, and takes back what it did not need; whoever acts next makes
it whole again if the disk has plenty of room. Pieces, because what is let go is anybody's for that moment: a disk that
stays full must stand several revocations.
"""

from __future__ import annotations

import contextlib
import os
from functools import lru_cache
from pathlib import Path
from typing import Final

NAME: Final = "ballast"
SIZE: Final = 1 << 20
PIECE: Final = SIZE // 4
"""Bytes; one act with its checkpoint needs less than half of it."""
_STEP: Final = 16384
_SPARE: Final = 4 * SIZE
_OPEN: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


@lru_cache(maxsize=8)
def beside(database: Path) -> Path:
    """Where the ballast of a database is."""
    return database.with_name(NAME)


def keep(database: Path) -> None:
    """Make the ballast whole if it is not, unless the disk has little room itself; never fails."""
    with contextlib.suppress(OSError):
        path = beside(database)
        try:
            if os.stat(path).st_size >= SIZE:  # noqa: PTH116  # twice as fast, and asked at every act
                return
        except FileNotFoundError:
            pass
        found = os.statvfs(path.parent)
        if found.f_bavail * found.f_frsize < _SPARE:
            return
        handle = os.open(path, _OPEN | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(handle, 0, SIZE)
        except OSError:
            os.ftruncate(handle, 0)
        finally:
            os.close(handle)


def scarce(database: Path) -> bool:
    """Whether the file system says that it has less room than a piece; it may have less than it says."""
    try:
        found = os.statvfs(database.parent)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < PIECE


def take_back(database: Path) -> None:
    """Take back what is left of the pieces that were let go, before somebody else does; never fails.

    The database's own files beside it shrink when they are closed: that is the room which is left free.
    """
    with contextlib.suppress(OSError):
        handle = os.open(beside(database), _OPEN)
        size = os.fstat(handle).st_size
        try:
            while size < SIZE:
                os.posix_fallocate(handle, size, _STEP)
                size += _STEP
        finally:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, size)  # of a step that failed a part may have been had
            os.close(handle)


def release(database: Path) -> bool:
    """Let a piece go; False if there is none left. What is shorter than a piece goes whole."""
    try:
        handle = os.open(beside(database), _OPEN)
    except OSError:
        return False
    try:
        size = os.fstat(handle).st_size
        if size == 0:
            return False
        os.ftruncate(handle, max(0, size - PIECE))
        os.fsync(handle)  # some file systems give blocks back only then
    except OSError:
        return False
    finally:
        os.close(handle)
    return True
