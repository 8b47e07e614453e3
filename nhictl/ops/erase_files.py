"""The second half of an erasure: no file of the home holds any more what the log says is erased.

Whole copies beside the database first, then the database written anew, then its write-ahead log cut to nothing. What is
left to do is kept in the database, sealed, until it is done.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Final

from nhictl.core.token import b64
from nhictl.errors import NhictlError
from nhictl.ops.house import LOCK, House
from nhictl.ops.sealing import AUTHORITY, content_place
from nhictl.store import erasure, sqlite
from nhictl.store.erasure import Wanted
from nhictl.store.keys import Sealer
from nhictl.store.lock import WriteLock

LEFT_OVER: Final = ("*.unfinished", ".restore-*")
"""What killed processes leave of copies they were making; whoever holds the writers' lock may remove it."""


def finish(house: House, seq: int | None = None) -> list[str]:
    """Clean the files of what the log says is erased; what is left, in words, empty if nothing is.

    With `seq` only what stands in the way of that erasure is an answer. It never raises: the erasure is recorded.
    """
    lock = WriteLock(house.home / LOCK)
    try:
        lock.acquire(house.lock_timeout)
    except NhictlError as e:
        return [e.message]
    try:
        with sqlite.guarded("clean the database"):
            return _finish(house)
    except (NhictlError, OSError) as e:
        return [f"record {seq} stands, the files could not be cleaned: {e}" if seq is not None else str(e)]
    finally:
        lock.release()


def _finish(house: House) -> list[str]:
    db = house.db
    rest = erasure.waiting(db)
    if not rest:
        return []
    wanted = [_todo(house, one) for one in rest if one.todo is not None]
    if wanted:
        left = _clean_copies(house, wanted)
        erasure.rewrite(db)
        if left:
            erasure.cut_log(db, sqlite.BUSY_MS)
            return left
        erasure.rewritten(db, [one.seq for one in rest])
    if not erasure.cut_log(db, sqlite.BUSY_MS):
        return ["a reader holds the write-ahead log, which may still have it; the next act finishes it"]
    erasure.finished(db)
    erasure.cut_log(db, 0)
    return []


def cut_log(house: House) -> None:
    """After an act: where only the write-ahead log is left, cut it if nobody holds it now. Waits for nothing."""
    db = house.db
    if any(one.todo is not None for one in erasure.waiting(db)):
        return
    lock = WriteLock(house.home / LOCK)
    lock.acquire(0)
    try:
        if erasure.cut_log(db, 0):
            erasure.overwriting(db)
            erasure.finished(db)
            erasure.cut_log(db, 0)
    finally:
        lock.release()


def pending(house: House) -> list[int]:
    """The records of erasures that are not finished."""
    return [one.seq for one in erasure.waiting(house.db)]


def _todo(house: House, one: erasure.Waiting) -> Wanted:
    found = json.loads(house.sealer.open(one.todo or b"", f"erasure:{one.seq}"))
    return Wanted(tuple(found["tasks"]), found["subject"], found["record"], found["digest"])


def copies_of(house: House) -> list[Path]:
    """The whole copies of the database that lie beside it."""
    folder = house.database.parent
    return sorted({path for pattern in erasure.COPIES for path in folder.glob(pattern)})


def _clean_copies(house: House, wanted: list[Wanted]) -> list[str]:
    """Erase from the whole copies beside the database, and remove unfinished ones; the names of those that cannot be read."""
    folder = house.database.parent
    for pattern in LEFT_OVER:
        for path in folder.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()
    opens = opener(house)

    def alias() -> str:
        return "erased:" + b64.encode(house.random(12))

    return [
        f"`{path.name}` cannot be read as a database: delete it, then finish with nhictl audit redact --finish"
        for path in copies_of(house)
        if not erasure.clean_copy(path, wanted, alias, opens)
    ]


def opener(house: House) -> erasure.Opens:
    """What opens a principal's name beside a record; None where it cannot be opened."""

    def opens(sealed_key: bytes, seq: int, chain: str, sealed: bytes) -> bytes | None:
        with contextlib.suppress(NhictlError):
            key = house.sealer.open(sealed_key, f"content key:{AUTHORITY}")
            return Sealer(key).open(sealed, content_place(chain, seq, "principal"))
        return None

    return opens
