"""The file of the high-water mark: the newest signed checkpoint, kept outside the database, padded to one disk sector.

It is overwritten in place and not fsynced: 27 µs, where a new file renamed over it costs 330 µs (ext4 writes out what
replaces a file). One sector is written whole or not at all, needs no space on a full disk, and is never found empty
after a power cut. A reader without the lock may catch it half changed and then has to look again.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from nhictl.errors import UnavailableError, UnsafeError

SECTOR: Final = 512
_FLAGS: Final = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def read(path: Path) -> bytes | None:
    """The checkpoint in the file, without its padding; None if there is no file.

    UnsafeError (6) if it is not a file of ours that nobody else can write, UnavailableError (7) if it cannot be read.
    """
    handle = _open(path, os.O_RDONLY)
    if handle < 0:
        return None
    try:
        return _read(handle)
    except OSError as e:
        raise _cannot("read", path, e) from e
    finally:
        os.close(handle)


class Slot:
    """The file held open for one act. Only whoever holds the writers' lock writes to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = -1

    def open(self, *, create: bool = False) -> bytes | None:
        """Open it for writing and return what it holds, as `read` does; with `create` it is made, empty, if missing."""
        if create:
            _create(self._path)
        self._handle = _open(self._path, os.O_RDWR)
        if self._handle < 0:
            return None
        try:
            return _read(self._handle)
        except OSError as e:
            raise _cannot("read", self._path, e) from e

    def write(self, note: str) -> None:
        """Put `note` in place of what was there. UnavailableError (7) if it cannot be written."""
        data = note.encode()
        if len(data) > SECTOR:
            raise UnavailableError(f"a checkpoint of {len(data)} bytes does not fit the high-water mark")
        try:
            os.pwrite(self._handle, data.ljust(SECTOR, b"\n"), 0)
        except OSError as e:
            raise _cannot("write", self._path, e) from e

    def close(self) -> None:
        """Let go; harmless if it is not open."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def _create(path: Path) -> None:
    """Make an empty file of mode 0600 whatever the umask; one that is there stays."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)
        os.fchmod(handle, 0o600)
        os.close(handle)
    except FileExistsError:
        return
    except OSError as e:
        raise _cannot("make", path, e) from e


def _open(path: Path, flags: int) -> int:
    """A descriptor of the file, -1 if there is none."""
    try:
        handle = os.open(path, flags | _FLAGS, 0o600)
    except FileNotFoundError:
        return -1
    except OSError as e:
        if path.is_symlink():
            raise UnsafeError(f"`{path}` is not a regular file") from e
        raise _cannot("open", path, e) from e
    info = os.fstat(handle)
    if not stat.S_ISREG(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o077 or info.st_nlink != 1:
        os.close(handle)
        raise UnsafeError(
            f"`{path}` is not a regular file of mode 0600 that is yours alone", code="loose_permissions",
            hint="look at it with: nhictl doctor",
        )  # fmt: skip
    return handle


def _read(handle: int) -> bytes:
    held = os.pread(handle, SECTOR + 1, 0).rstrip(b"\n")
    return held + b"\n" if held else b""


def _cannot(doing: str, path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(f"cannot {doing} `{path}`: {(error.strerror or str(error)).lower()}")
