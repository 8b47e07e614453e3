"""The X.509-SVIDs of an agent that are still good: what suspending it does not end, and so has to say."""

from __future__ import annotations

from typing import Any, NamedTuple

from nhictl.core import times
from nhictl.ops import agents
from nhictl.ops.house import House
from nhictl.store import sqlite, svids


class Outstanding(NamedTuple):
    """The certificates that are still good, and until when; what they are, in words, for who suspends an agent."""

    number: int
    until: str | None

    def to_json(self) -> dict[str, Any]:
        """`live_svids` and, if there are any, `svids_until`."""
        return {"live_svids": self.number} | ({"svids_until": self.until} if self.until else {})

    def warning(self) -> list[str]:
        """A line if there are any."""
        if self.until is None:
            return []
        one = self.number == 1
        what = "certificate that was issued stays" if one else "certificates that were issued stay"
        return [f"{self.number} {what} good: nothing ends {'it' if one else 'them'} before {self.until}"]


def outstanding(house: House, name: str, instance: str | None = None) -> Outstanding:
    """Those of an agent, or of one of its instances, now."""
    with sqlite.guarded("read the certificates"):
        found = svids.live(house.db, agents.find(house, name).id, house.clock() // 1_000_000, instance)
    return Outstanding(found.number, times.rfc3339(found.until_s * 1_000_000) if found.until_s is not None else None)
