"""How a secret gets to the command: by descriptor, by file, or in the environment if that was asked for.

Descriptor and file always hold the newest value. A file is replaced by renaming, so a reader gets the old or the new one.
The descriptor is a file in memory without a name; whoever opens `/dev/fd/N`, or reads at offset 0, gets what it holds now.
It is emptied before the new value is written, which is what keeps the two apart: writing over the old one was seen to tear.
So for some microseconds a read may find nothing (2 % of 160,000 reads against 12,000 replacements in tight loops; a renewal
comes every few minutes); then read again. What is read begins with a whole line, or holds none.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

from nhictl.errors import UnavailableError

KINDS: Final = ("fd", "file", "env")
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # a folder of ours, mode 0700, is made in it


class Handover:
    """One secret on its way to the command, under the variable `name` with the suffix of its kind."""

    def __init__(self, variable: str) -> None:
        self.variable = variable

    def put(self, text: str) -> None:
        """Let the command have this value from now on."""
        raise NotImplementedError

    def value(self) -> str:
        """What the variable is to hold."""
        raise NotImplementedError

    def descriptors(self) -> tuple[int, ...]:
        """What the command has to inherit."""
        return ()

    def close(self) -> None:
        """Take the secret away, as far as it can be."""


class ByDescriptor(Handover):
    """A nameless file in memory; the command gets a read-only descriptor of it, at offset 0."""

    def __init__(self, variable: str) -> None:
        super().__init__(f"{variable}_FD")
        self._file = os.memfd_create("nhictl", os.MFD_CLOEXEC)
        try:
            os.fchmod(self._file, 0o600)
            self._reader = os.open(f"/proc/self/fd/{self._file}", os.O_RDONLY | os.O_CLOEXEC)
        except BaseException:
            os.close(self._file)
            raise

    def put(self, text: str) -> None:
        os.ftruncate(self._file, 0)
        if text:
            os.pwrite(self._file, text.encode() + b"\n", 0)

    def value(self) -> str:
        return str(self._reader)

    def descriptors(self) -> tuple[int, ...]:
        return (self._reader,)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, 0)
        os.close(self._file)
        os.close(self._reader)


class ByFile(Handover):
    """A file of mode 0600 in a folder of mode 0700."""

    def __init__(self, variable: str, folder: Path) -> None:
        super().__init__(f"{variable}_FILE")
        self._path = folder / variable.removeprefix("NHICTL_").lower()

    def put(self, text: str) -> None:
        fresh = self._path.with_name(f".{self._path.name}.new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, text.encode() + b"\n" if text else b"")
        finally:
            os.close(handle)
        fresh.rename(self._path)

    def value(self) -> str:
        return str(self._path)

    def close(self) -> None:
        self._path.unlink(missing_ok=True)


class ByEnvironment(Handover):
    """The value itself: whatever can read the command's environment has it, and it can never be renewed."""

    def __init__(self, variable: str) -> None:
        super().__init__(variable)
        self._text = ""

    def put(self, text: str) -> None:
        self._text = self._text or text

    def value(self) -> str:
        return self._text


class Handovers:
    """All secrets of one run, in one way; a context that takes them all away again."""

    def __init__(self, kind: str, home: Path, task: str) -> None:
        self.kind = kind
        self._home = home
        self._task = task
        self._folder: Path | None = None
        self._all: list[Handover] = []

    def add(self, variable: str, text: str) -> Handover:
        """Hand over one secret; UnavailableError (7) if there is no way to."""
        try:
            if self.kind == "fd":
                made: Handover = ByDescriptor(variable)
            elif self.kind == "file":
                self._folder = self._folder or _make_folder(self._home, self._task)
                made = ByFile(variable, self._folder)
            else:
                made = ByEnvironment(variable)
            self._all.append(made)
            made.put(text)
        except OSError as e:
            raise UnavailableError(
                f"cannot hand over a secret by {self.kind}: {(e.strerror or str(e)).lower()}", code="handover_failed"
            ) from e
        return made

    def environment(self) -> dict[str, str]:
        """The variables that say where the secrets are."""
        return {each.variable: each.value() for each in self._all}

    def descriptors(self) -> tuple[int, ...]:
        """What the command has to inherit."""
        return tuple(number for each in self._all for number in each.descriptors())

    def empty(self) -> None:
        """What was handed over is worth nothing any more."""
        for each in self._all:
            with contextlib.suppress(OSError):
                each.put("")

    def close(self) -> None:
        """Take everything away; what the command left in the folder stays."""
        for each in self._all:
            with contextlib.suppress(OSError):
                each.close()
        self._all = []
        if self._folder is not None:
            with contextlib.suppress(OSError):
                self._folder.rmdir()
            self._folder = None


def sweep(home: Path, task: str) -> None:
    """Remove what a run that was killed left lying about: it is worth nothing any more, but need not be found."""
    for folder in _places(home, task):
        if not _private(folder):
            continue
        with contextlib.suppress(OSError):
            for left in folder.iterdir():
                left.unlink()
            folder.rmdir()


def _make_folder(home: Path, task: str) -> Path:
    for folder in _places(home, task):
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700)
            return folder
    raise UnavailableError("there is no place for the token's file", code="handover_failed")


def _places(home: Path, task: str) -> list[Path]:
    """Where the folder of a run may be: in memory if that can be had, else on the disk, in the home."""
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    parents = [runtime] if runtime.is_absolute() and _private(runtime) else []
    return [parent / f"nhictl-{task}" for parent in (*parents, _SHARED_MEMORY, home)]


def _private(folder: Path) -> bool:
    """Whether it is a folder of ours that nobody else can enter, as the XDG specification asks."""
    try:
        info = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid() and not info.st_mode & 0o077
