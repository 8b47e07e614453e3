"""The high-water mark: has this database been further than it is now, or been another?

After each commit, still under the writers' lock, the checkpoint just signed goes to a file outside the database. The
mark may lag behind (a crash between the two), it never leads. A database that does not hold the mark's very checkpoint
was put back: then nothing is granted and nothing verified (exit 6), only authority taken away, until
`doctor --accept-restore` has recorded the restore.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from nhictl.errors import NhictlError, UnavailableError, UnsafeError
from nhictl.ops.house import MARK, House
from nhictl.store import log, mark_file, sqlite

if TYPE_CHECKING:
    from nhictl.core.ledger.checkpoint import Checkpoint

FILE: Final = MARK
KEPT: Final = "high_water"
"""In `meta`, once a mark is kept: from then on a missing file is a deleted one, or a database put into another home."""

_HINT: Final = "if it was restored on purpose: nhictl doctor --accept-restore; revoking and killing work all the same"
T = TypeVar("T")


class Fault(NamedTuple):
    """Why the database is not the one that was here last; `mark` is what the file says, None if it cannot be read."""

    code: str
    message: str
    mark: dict[str, Any] | None

    def error(self) -> UnsafeError:
        """As what stops a command (exit 6)."""
        return UnsafeError(self.message, code=self.code, hint=_HINT, details={"mark": self.mark} if self.mark else None)


def path_of(house: House) -> Path | None:
    """Where the mark is; None for a copy of the database in memory, which has none."""
    return house.mark_path if house.keeps_mark else None


def read(house: House) -> bytes | None:
    """The mark as it stands. It has to be read before the database: what is committed between the two is not lost."""
    path = path_of(house)
    return mark_file.read(path) if path is not None else None


def fault(house: House, db: sqlite3.Connection, mark: bytes | None, newest: str | None = None) -> Fault | None:
    """What is wrong with a database, given a mark that was read before it; `newest` is its newest checkpoint, if known."""
    if path_of(house) is None:
        return None
    if mark is None:
        if KEPT not in house.meta:
            return None  # a home of before there were marks: the next act makes one
        text = f"`{FILE}` is missing from the home: whether the database is the newest one cannot be told"
        return Fault("high_water_missing", text, None)
    if newest is not None and newest.encode() == mark:
        return None
    lines = mark.split(b"\n", 2)
    size = int(lines[1]) if len(lines) == 3 and lines[1].isdigit() and len(lines[1]) < 19 else -1
    if size > 0 and (held := log.note_at(db, size)) is not None and held.encode() == mark:
        return None
    return _named(house, db, mark)


def _named(house: House, db: sqlite3.Connection, mark: bytes) -> Fault | None:
    """The slow way, once the mark is not word for word in the database: which fault it is, if it is one."""
    from nhictl.core.ledger import checkpoint

    head = log.head(db)
    size = head.size if head else 0
    try:
        seen = checkpoint.parse(mark.decode("utf-8"))
    except ValueError:
        text = f"`{FILE}` is damaged: whether the database is the newest one cannot be told"
        return Fault("high_water_damaged", text, None)
    if seen.chain != house.meta["chain"]:
        text = "the database is another authority's than was here before"
    elif seen.size > size:
        text = f"the database was put back: it holds {size} records, {seen.size} were here"
    elif _parsed(log.note_at(db, seen.size)) == seen:
        return None  # the same head, signed once more
    else:
        text = f"the database was put back: its first {seen.size} records are not those that were here"
    told = {"chain": seen.chain, "size": seen.size, "root": base64.b64encode(seen.root).decode()}
    return Fault("store_rolled_back", text, told)


def _parsed(note: str | None) -> Checkpoint | None:
    from nhictl.core.ledger import checkpoint

    try:
        return checkpoint.parse(note) if note is not None else None
    except checkpoint.NoteError:
        return None


def checked(house: House, doing: str, work: Callable[[sqlite3.Connection], T], tries: int = 3) -> T:
    """Do `work` in one snapshot of a database that holds the mark; UnsafeError (6) if it does not.

    Nothing is locked, so the mark may be caught half written: what looks wrong is looked at again.
    """
    db = house.db
    house.check_in_place()
    mark = read(house)
    with sqlite.guarded(doing):
        db.execute("BEGIN")
        try:
            found = fault(house, db, mark)
            house.heeded = True
            if found is None:
                return work(db)
        finally:
            db.execute("COMMIT")
    if tries > 1:
        return checked(house, doing, work, tries - 1)
    raise found.error()


def warning(house: House) -> NhictlError | None:
    """What to say after questions that are answered whatever state the database is in, None if it is in order."""
    try:
        if house.unheeded():
            refuse_put_back(house)
    except (UnsafeError, UnavailableError) as e:
        return e
    except (NhictlError, OSError, sqlite3.Error):
        return None  # whatever this is has been said already, or has nothing to do with the mark
    return None


def refuse_put_back(house: House) -> None:
    """UnsafeError (6) unless the database holds the mark."""
    checked(house, "read the head of the log", lambda _: None)


class Mark:
    """The mark during one act, under the writers' lock. `found` is what was wrong with the database at its beginning."""

    def __init__(self, house: House) -> None:
        self.found: Fault | None = None
        self._house = house
        path = path_of(house)
        self._slot = mark_file.Slot(path) if path is not None else None
        self._open = False
        self._new = False

    def check(self, db: sqlite3.Connection, before: log.HeadRow, note: str | None, *, revokes: bool) -> None:
        """Compare with the head before the act and its checkpoint; UnsafeError (6) unless the act only takes authority away.

        Such an act goes on whatever is wrong with the mark, and then leaves it as it is.
        """
        if self._slot is None:
            return
        if first := before.size == 0 or KEPT not in self._house.meta:
            self._house.forget_meta()  # another process may have made one meanwhile
            first = before.size == 0 or KEPT not in self._house.meta
        try:
            held = self._slot.open(create=first)
            self._open = held is not None
            if first:
                self._begin(db, before, held)
            else:
                self.found = fault(self._house, db, held, note)
        except (UnsafeError, UnavailableError) as e:
            if not revokes:
                self._house.heeded = True
                raise
            self._open = False
            self.found = Fault(e.code, e.message, None)
        self._house.heeded = self.found is None or not revokes
        if self.found is not None and not revokes:
            raise self.found.error()

    def _begin(self, db: sqlite3.Connection, before: log.HeadRow, held: bytes | None) -> None:
        """A home that has had no mark: it gets one before its database says that there is one."""
        note = log.newest_note(db)
        if before.size and self._slot is not None:
            if held:
                self.found = fault(self._house, db, held)
            elif note is not None:
                self._slot.write(note)
        self._new = self.found is None

    def keep(self, db: sqlite3.Connection) -> None:
        """Inside the act: say in the database that there is a mark now, if there was none."""
        if self._new and self._open:
            log.add_meta(db, {KEPT: "1"})

    def accept(self) -> Fault:
        """Take the database as the newest from now on; returns what was wrong."""
        found, self.found = self.found, None
        self._house.heeded = True
        if found is None or self._slot is None:
            raise AssertionError("nothing to accept")
        if not self._open:
            self._slot.open(create=True)
            self._open = True
        return found

    def move(self, note: str) -> None:
        """After the commit: the checkpoint that was signed is the mark. If it cannot be written the mark lags."""
        if self._slot is None or not self._open or self.found is not None:
            return
        if self._new:
            self._house.forget_meta()
        try:
            self._slot.write(note)
        except UnavailableError:
            return

    def close(self) -> None:
        """Let go of the file."""
        if self._slot is not None:
            self._slot.close()
