"""The home's file `kek` replaced by one rename, with a way back and the old blocks overwritten."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from nhictl.errors import UnavailableError
from nhictl.store import files
from nhictl.store.keys import KEK_FILE

STAGED: Final = "kek.next"


class KekSwap:
    """The home's file `kek` replaced, and put back if the act around it fails."""

    def __init__(self, home: Path, before: bytes) -> None:
        self.path = home / KEK_FILE
        self.staged = home / STAGED
        self.before = before
        self.placed = False
        """Whether the new file may be the home's."""
        self._old = os.open(self.path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def stage(self, content: bytes) -> None:
        """Write the new file beside the old one, durably."""
        try:
            self.staged.unlink(missing_ok=True)
            files.write_new(self.staged, content)
        except OSError as e:
            raise UnavailableError(f"cannot write `{self.staged}`: {(e.strerror or str(e)).lower()}") from e

    def place(self) -> None:
        """Put the staged file in the place of the old one, in one step."""
        try:
            self.placed = True
            self.staged.rename(self.path)
            files.sync_directory(self.path.parent)
        except OSError as e:
            raise UnavailableError(f"cannot replace `{self.path}`: {(e.strerror or str(e)).lower()}") from e

    def back(self) -> None:
        """Put the old content in its place again, if it was replaced."""
        if self.placed:
            self.stage(self.before)
            self.place()
            self.placed = False

    def replace(self, content: bytes) -> None:
        """Put another content in the place of the new one; if that fails the old key stays at hand, wrapped."""
        with contextlib.suppress(UnavailableError):
            self.stage(content)
            self.place()

    def discard(self) -> None:
        """Leave nothing beside the file."""
        with contextlib.suppress(OSError):
            self.staged.unlink(missing_ok=True)
        os.close(self._old)

    def erase(self) -> None:
        """Overwrite the blocks of the old file, which has no name any more: as much as a file system lets one do."""
        with contextlib.suppress(OSError):
            os.pwrite(self._old, bytes(len(self.before)), 0)
            os.fsync(self._old)
        os.close(self._old)
