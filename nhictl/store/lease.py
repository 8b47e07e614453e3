"""Lease files: a POSIX record lock that lives exactly as long as the process that took it, and that others only look at.

POSIX locks and no others: F_GETLK takes nothing and names the holder, and a child that inherits the descriptor does not
keep the lock alive. In return the holder must never close a second descriptor of the file, which would drop the lock:
so files are made here and nowhere else, and a process looks at its own lease without opening it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path
from typing import Final

from nhictl.errors import UnavailableError
from nhictl.store import files

FOLDER: Final = "leases"
UNSEEN: Final = 0
"""The holder is a process that has no number in our pid namespace."""
_FLOCK: Final = "hhqqi0q"  # struct flock: l_type, l_whence, l_start, l_len, l_pid; padded as C pads it

_held: dict[tuple[int, int], int] = {}


def path_of(home: Path, task: str) -> Path:
    """Where the lease of a task is."""
    return home / FOLDER / task


def take(path: Path) -> None:
    """Make the file, mode 0600, and lock it until `let_go` or the end of this process; UnavailableError (7)."""
    handle = -1
    try:
        files.make_directory(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        os.fchmod(handle, 0o600)
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        info = os.fstat(handle)
    except OSError as e:
        if handle >= 0:
            os.close(handle)
        raise UnavailableError(f"cannot take the lease `{path}`: {(e.strerror or str(e)).lower()}") from e
    _held[info.st_dev, info.st_ino] = handle


def let_go(path: Path) -> None:
    """End a lease: the file goes first, so that nobody else can come to hold it. Harmless if there is none."""
    try:
        info = path.lstat()
        path.unlink()
    except OSError:
        return
    handle = _held.pop((info.st_dev, info.st_ino), None)
    if handle is not None:
        os.close(handle)


def holder(path: Path) -> int | None:
    """The pid of the process that has the lock, None if nobody has, `UNSEEN` if we cannot tell who.

    A file that is missing or a symbolic link is held by nobody. No right to look, or no descriptor left to look with,
    says nothing about the holder.
    """
    try:
        info = path.lstat()
        if (info.st_dev, info.st_ino) in _held:
            return os.getpid()
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as e:
        return None if e.errno == errno.ELOOP else UNSEEN
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(handle, fcntl.F_GETLK, asked))
    except OSError:
        return UNSEEN
    finally:
        os.close(handle)
    return None if kind == fcntl.F_UNLCK else int(pid)
