"""Files of the home: modes and owners checked before use, contents replaced atomically and durably."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from nhictl.errors import UnavailableError, UnsafeError

_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs", "lustre"}


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def check_directory(path: Path) -> None:
    """Refuse a home that is a symlink, somebody else's, or open to group or others (exit 6)."""
    _check(path, stat.S_ISDIR, "directory", 0o700)


def check_file(path: Path) -> None:
    """Refuse a file that is no regular file, somebody else's, open to group or others, or has a second name (exit 6)."""
    info = _check(path, stat.S_ISREG, "regular file", 0o600)
    if info.st_nlink != 1:
        raise UnsafeError(f"`{path}` has {info.st_nlink} names (hard links): another one could be changed unseen")


def _check(path: Path, is_kind: Callable[[int], bool], kind: str, mode: int) -> os.stat_result:
    try:
        info = path.lstat()
    except FileNotFoundError as e:
        hint = "a deleted file is an outage: restore the home from a backup"
        raise UnsafeError(f"`{path}` is missing", code="home_incomplete", hint=hint) from e
    except OSError as e:
        raise UnavailableError(f"cannot look at `{path}`: {_why(e)}") from e
    if not is_kind(info.st_mode):
        raise UnsafeError(f"`{path}` is not a {kind}", hint="nhictl follows no symbolic links inside its home")
    if info.st_uid != os.geteuid():
        raise UnsafeError(f"`{path}` belongs to uid {info.st_uid}, not to you (uid {os.geteuid()})")
    if info.st_mode & 0o077:
        loose = stat.S_IMODE(info.st_mode)
        raise UnsafeError(
            f"`{path}` has mode {loose:04o}: others could read or change it", code="loose_permissions",
            hint=f"chmod {mode:04o} {path}",
        )  # fmt: skip
    return info


def check_parent(path: Path) -> None:
    """Refuse a folder in which somebody else could replace files: not ours or root's, or open to others' writing (exit 6)."""
    try:
        info = path.stat()
    except OSError as e:
        raise UnavailableError(f"cannot look at `{path}`: {_why(e)}") from e
    if info.st_uid not in (os.geteuid(), 0):
        raise UnsafeError(f"`{path}` belongs to uid {info.st_uid}, who could replace the files in it")
    if info.st_mode & 0o022 and not info.st_mode & stat.S_ISVTX:
        loose = stat.S_IMODE(info.st_mode)
        raise UnsafeError(
            f"`{path}` has mode {loose:04o}: others could replace the files in it", code="loose_permissions",
            hint=f"chmod go-w {path}",
        )  # fmt: skip


def identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file, None if it is gone."""
    try:
        info = os.stat(path)  # noqa: PTH116  # twice as fast, and asked at every check
    except OSError:
        return None
    return info.st_dev, info.st_ino


def make_directory(path: Path) -> None:
    """Make a home of mode 0700 with its parents; one that exists is checked instead."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700)
        path.chmod(0o700)  # the umask may have taken bits that we need
    except FileExistsError:
        check_directory(path)
    except OSError as e:
        raise UnavailableError(f"cannot make `{path}`: {_why(e)}", hint="give another home with --home") from e


def write_new(path: Path, data: bytes) -> None:
    """Create `path` with mode 0600, durable when this returns; never overwrites (FileExistsError)."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(handle, 0o600)
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)
    sync_directory(path.parent)


def replace_public(path: Path, data: bytes) -> None:
    """Put `data` in the place of `path`, mode 0644, whole at every moment; UnavailableError if it cannot be written."""
    replace(path, data, 0o644)


def replace(path: Path, data: bytes, mode: int) -> None:
    """Put `data` in the place of `path` with that mode, whole at every moment; UnavailableError if it cannot be written."""
    import tempfile

    try:
        handle, beside = tempfile.mkstemp(prefix=f".{path.name[:64]}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(handle, mode)
                os.fsync(handle)
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
        sync_directory(path.parent)
    except OSError as e:
        raise UnavailableError(f"cannot write `{path}`: {_why(e)}") from e


def read_secret(path: Path, limit: int = 65536) -> bytes:
    """Read a small file of the home after checking its mode, owner and kind on the descriptor that is read."""
    check_file(path)
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        info = os.fstat(handle)
        if info.st_mode & 0o077 or info.st_uid != os.geteuid():
            raise UnsafeError(f"`{path}` changed while it was opened")
        return os.read(handle, limit)
    finally:
        os.close(handle)


def sync_directory(path: Path) -> None:
    """Make a rename or creation in `path` durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def network_filesystem(path: Path) -> str | None:
    """The type of the network file system that holds `path`, or None: SQLite's WAL needs shared memory on one host."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    real = str(path.resolve())
    best, kind = "", ""
    for fields in (line.split(" ") for line in mounts):
        point = fields[1].replace("\\040", " ")
        if len(point) >= len(best) and (real == point or real.startswith(point.rstrip("/") + "/")):
            best, kind = point, fields[2]
    return kind if kind in _NETWORK else None
