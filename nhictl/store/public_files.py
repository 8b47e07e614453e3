"""A folder that others serve and read: files of mode 0644 replaced one by one, each of them whole at every moment.

Whoever can put another key file there can sign tokens that others believe, so the folder and all above it have to be
out of other users' reach. Everything is done relative to descriptors that were checked; no symbolic link is followed.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from nhictl.errors import InputError, UnavailableError, UnsafeError
from nhictl.store import files

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def _trouble(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise UnavailableError(f"cannot publish in `{path}`: {(e.strerror or str(e)).lower()}") from e


def refuse(path: Path, why: str) -> InputError:
    """The error for a folder that cannot be one to publish in (exit 2)."""
    return InputError(f"cannot publish in `{path}`: {why}", code="invalid_folder")


def locate(name: str) -> Path:
    """The absolute path of a folder, with the links above it resolved but not the folder itself."""
    given = Path(name)
    if not name or not given.name or given.name == "..":
        given = Path(os.path.realpath(name)) if name else given
    path = Path(os.path.realpath(given.parent), given.name)
    try:
        str(path).encode()
    except UnicodeEncodeError as e:
        raise refuse(path, "its name is not UTF-8") from e
    if not name:
        raise refuse(path, "it has no name")
    return path


class PublicFolder:
    """A folder between `open` and `close`: `stage` what is to be there, then `commit` or `discard` it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._made: list[Path] = []
        self._handles: dict[str, int] = {}
        self._staged: list[tuple[str, str]] = []

    def open(self) -> None:
        """Make the folder with its parents (0755) if it is missing, and check it and everything above it.

        InputError (2) if it is a link or no folder, UnsafeError (6) if others could replace what is in it,
        UnavailableError (7) if it cannot be written.
        """
        with _trouble(self.path):
            if self.path.is_symlink():
                raise refuse(self.path, "it is a symbolic link")
            missing = [p for p in (self.path, *self.path.parents) if not os.path.lexists(p)]
            for above in self.path.parents:
                if above not in missing:
                    _check_above(above)
            for path in reversed(missing):
                self._make(path)
            self._handles[""] = self._opened(self.path, str(self.path), None)

    def _make(self, path: Path) -> None:
        with contextlib.suppress(FileExistsError):  # somebody was faster: it is checked when it is opened
            path.mkdir(mode=0o755)
            self._made.append(path)
            path.chmod(0o755)  # the umask may have taken bits that readers need
            files.sync_directory(path.parent)

    def _opened(self, path: Path, name: str, above: int | None) -> int:
        try:
            handle = os.open(name, _FOLDER, dir_fd=above)
        except OSError as e:
            if path.is_symlink():
                raise refuse(path, "it is a symbolic link") from e
            if isinstance(e, NotADirectoryError):
                raise refuse(path, "it is not a folder") from e
            raise
        try:
            info = os.fstat(handle)
            if info.st_uid != os.geteuid():
                raise UnsafeError(f"`{path}` belongs to uid {info.st_uid}, not to you (uid {os.geteuid()})")
            if _writable_by_others(info):
                raise _loose(path, info)
            if not os.access(path, os.W_OK | os.X_OK, effective_ids=True):
                raise UnavailableError(f"cannot publish in `{path}`: no permission to write there")
        except BaseException:
            os.close(handle)
            raise
        return handle

    def _place(self, path: str) -> tuple[int, str]:
        """The descriptor of the folder that holds `path` (at most one below ours) and the name in it."""
        below, _, name = path.rpartition("/")
        if below not in self._handles:
            whole = self.path / below
            if not os.path.lexists(whole):
                self._make(whole)
            self._handles[below] = self._opened(whole, below, self._handles[""])
        return self._handles[below], name

    def stage(self, wanted: dict[str, bytes]) -> list[str]:
        """Write what differs from `wanted` beside its place, durably, and return which paths those are."""
        with _trouble(self.path):
            for path, data in wanted.items():
                handle, name = self._place(path)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(_beside(name), dir_fd=handle)  # of a publisher that was killed
                if self.read(path) != data:
                    self._staged.append((path, name))
                    _write(handle, _beside(name), data)
        return [path for path, _ in self._staged]

    def read(self, path: str) -> bytes | None:
        """What stands published, up to a megabyte; None if it is missing or not as we publish: ours, and of mode 0644."""
        with _trouble(self.path):
            handle, name = self._place(path)
            try:
                file = os.open(name, _READ, dir_fd=handle)
            except OSError:  # missing, a link, not to be read: to be replaced
                return None
            try:
                info = os.fstat(file)
                if stat.S_ISDIR(info.st_mode):
                    raise refuse(self.path, f"`{name}` in it is a folder")
                plain = stat.S_ISREG(info.st_mode) and stat.S_IMODE(info.st_mode) == 0o644
                return os.read(file, 1 << 20) if plain and info.st_uid == os.geteuid() else None
            finally:
                os.close(file)

    def commit(self) -> None:
        """Put what was staged in place, file by file; UnavailableError (`publish_incomplete`) if that breaks off."""
        try:
            while self._staged:
                handle, name = self._place(self._staged[0][0])
                os.rename(_beside(name), name, src_dir_fd=handle, dst_dir_fd=handle)
                del self._staged[0]
            for handle in self._handles.values():
                os.fsync(handle)
            self._made.clear()
        except OSError as e:
            raise UnavailableError(
                f"published in `{self.path}` in part only: {(e.strerror or str(e)).lower()}", code="publish_incomplete",
                hint="the log has it, the folder not: publish again",
            ) from e  # fmt: skip

    def close(self) -> None:
        """Let go; what was staged and not committed is taken away, with the folders that were made for it."""
        for path, name in self._staged:
            with contextlib.suppress(OSError):
                os.unlink(_beside(name), dir_fd=self._place(path)[0])
        for made in reversed(self._made):
            with contextlib.suppress(OSError):  # somebody else uses it already
                made.rmdir()
        for handle in self._handles.values():
            os.close(handle)
        self._handles.clear()


def _beside(name: str) -> str:
    """Where a file is written first. Publishers of a home take turns, so one name is enough."""
    return f".{name}.new"


def _write(folder: int, name: str, data: bytes) -> None:
    handle = os.open(name, _NEW, 0o600, dir_fd=folder)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fchmod(handle, 0o644)
        os.fsync(handle)
    finally:
        os.close(handle)


def _writable_by_others(info: os.stat_result) -> bool:
    """Whether the world, or a group that is not the user's own, may write."""
    return bool(info.st_mode & 0o002 or (info.st_mode & 0o020 and info.st_gid != os.getegid()))


def _loose(path: Path, info: os.stat_result) -> UnsafeError:
    return UnsafeError(
        f"`{path}` has mode {stat.S_IMODE(info.st_mode):04o}: others could put keys of theirs in place of yours",
        code="loose_permissions", hint=f"chmod go-w {path}",
    )  # fmt: skip


def _check_above(path: Path) -> None:
    """Refuse a folder on the way in which somebody else could put another one in the place of ours."""
    info = path.stat()
    if not stat.S_ISDIR(info.st_mode):
        raise refuse(path, "it is not a folder")
    if info.st_uid not in (0, os.geteuid()):
        raise UnsafeError(f"`{path}` belongs to uid {info.st_uid}, who could put keys of theirs in place of yours")
    if _writable_by_others(info) and not info.st_mode & stat.S_ISVTX:
        raise _loose(path, info)
