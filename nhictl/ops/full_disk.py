"""What only takes authority away is carried out on a full disk too: the ballast is let go for it, piece by piece."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable
from typing import Final, TypeVar

from nhictl.errors import UnavailableError
from nhictl.ops.house import House
from nhictl.store import ballast

_FULL: Final = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN")

T = TypeVar("T")


def with_room(house: House, work: Callable[[], T]) -> T:
    """Do the work; where it fails for want of room, let some ballast go and do it again from the beginning.

    Where little is left some goes at once: on a file system of small blocks SQLite would not fail but be killed (SIGBUS),
    since the file that it maps may have holes. Only what is known not to have been done is done again: `outcome_unknown`
    is passed on.
    """
    released = ballast.scarce(house.database) and ballast.release(house.database)
    while True:
        try:
            done = work()
        except UnavailableError as e:
            if e.code == "outcome_unknown" or not _for_want_of_room(e):
                raise
            if not ballast.release(house.database):
                hint = "free space on the disk and try again: what was kept for this is used up"
                raise UnavailableError(e.message, hint=hint) from e
            released = True
            house.reopen()
        else:
            if released:
                ballast.take_back(house.database)
            return done


def _for_want_of_room(error: UnavailableError) -> bool:
    """Whether the disk may be the reason. SQLite says so of some calls only, and a file system that counts blocks as free
    may still refuse them: letting the ballast go in vain costs nothing, it is made again.
    """
    cause = error.__cause__
    if isinstance(cause, OSError):
        return cause.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(cause, sqlite3.Error) and (getattr(cause, "sqlite_errorname", "") or "").startswith(_FULL)
