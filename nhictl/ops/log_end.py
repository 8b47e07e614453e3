"""The end of the log at the beginning of an act: read and checked, or still as this process left it itself."""

from __future__ import annotations

from typing import Final, NamedTuple

from nhictl.core.ledger import record
from nhictl.errors import UnsafeError
from nhictl.ops.house import House
from nhictl.store import log

VERIFY: Final = "look at it with: nhictl audit verify"


class View(NamedTuple):
    """The end of the log as a connection saw or left it; had anybody else committed since, `version` would be another."""

    db: object
    version: int
    end: log.Beginning | None
    checked: bool


def seen(house: House) -> View:
    """Read inside the transaction, unless it is still as this connection's own last act left it."""
    db, left, house.left = house.db, house.left, None
    version = log.version(db)
    if left is not None and left.db is db and left.version == version:
        return left
    return View(db, version, log.beginning(db), checked=False)


def check(end: log.Beginning) -> None:
    """Nothing is appended to a head that is not the newest record: the log would never verify again."""
    if end.newest is None or end.beyond or record.next_prev(end.newest) != end.head.prev:
        raise UnsafeError("the head of the log is not its newest record", code="store_damaged", hint=VERIFY)
