"""What a served authority shows everybody: the very files of a published folder, so that keys turn and lists are spread there.

Nothing is made for a request. A signer has to stand in the folder before it signs, a revocation is spread to it before its
answer, and both hold for whoever reads the folder through us.
"""

from __future__ import annotations

import os
from pathlib import Path

from nhictl.ops.house import House
from nhictl.ops.publish_trust import Republished, folders, publish, republish
from nhictl.store import public_files


def chosen(house: House, out: str | None) -> str | None:
    """The folder to serve: `out`, published in now, else the one that was published in last; None if there is none."""
    if out is not None:
        return publish(house, out)[0].out
    there = [folder for folder in folders(house) if os.path.lexists(folder)]
    return there[-1] if there else None


def read(folder: str, path: str) -> bytes | None:
    """A file of the folder as it is now, None if there is none; UnsafeError (6) if others could have put it there."""
    if not (Path(folder) / path).is_file():
        return None
    opened = public_files.PublicFolder(Path(folder))
    try:
        opened.open()
        return opened.read(path)
    finally:
        opened.close()


def refresh(house: House) -> list[Republished]:
    """Bring every remembered folder up to date, with its status lists signed anew where they are due."""
    return republish(house)[0]
