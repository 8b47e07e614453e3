"""A home as a whole, to tell whether anything in it has changed."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path


def state(home: Path) -> dict[str, tuple[int, str]]:
    """Mode and content digest of every file; the lock file may come and go."""
    found = {}
    for path in sorted(home.rglob("*")):
        info = path.lstat()
        whole = (
            path.read_bytes()
            if stat.S_ISREG(info.st_mode)
            else os.fsencode(os.readlink(path))
            if path.is_symlink()
            else b""
        )
        found[path.name] = (stat.S_IMODE(info.st_mode), hashlib.sha256(whole).hexdigest())
    found.pop("lock", None)
    return found
