"""Whether a served authority could decide now: the same things that would refuse a live decision, looked at, not done."""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from nhictl.errors import UnavailableError, UnsafeError
from nhictl.ops import high_water
from nhictl.ops.act import CLOCK_LEEWAY_US
from nhictl.ops.house import House
from nhictl.store import log

_ROOM: Final = 1 << 20


class Health(NamedTuple):
    """The size of the log, and the newest record's time in microseconds."""

    size: int
    newest_us: int


def look(house: House) -> Health:
    """UnsafeError (6) or UnavailableError (7) if a decision could not be made or not be recorded."""

    head = high_water.checked(house, "read the head of the log", log.head)
    found = Health(head.size if head else 0, head.ts if head else 0)
    if house.clock() + CLOCK_LEEWAY_US < found.newest_us:
        raise UnsafeError("the clock is behind the newest record", code="clock_regressed")
    disk = os.statvfs(house.home)
    if disk.f_bavail * disk.f_frsize < _ROOM or disk.f_flag & os.ST_RDONLY:
        raise UnavailableError("there is no room to record a decision", code="disk_full")
    return found
