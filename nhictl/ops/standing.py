"""How many tokens there are to end: those that stand, and of them those that are live.

A token *stands* if a check may still accept it, now or once a suspension or freeze is lifted: not expired (with the
leeway of checks), not revoked, not used up, its task neither ended nor past its deadline. It is *live* if it would be
accepted now: it stands, and its agent is active, not expired and not frozen, and its instance not suspended.
Revocation ends what stands, so that nothing comes back with `resume` or `unfreeze`.
"""

from __future__ import annotations

from typing import NamedTuple

from nhictl.ops import agents, frozen
from nhictl.ops.house import House
from nhictl.store import agents as table
from nhictl.store import belongings, cuts, tally
from nhictl.store.cuts import Cut


class Count(NamedTuple):
    """How many tokens stand, and how many of them are live."""

    standing: int
    live: int


def count(house: House, cut: Cut, now_us: int) -> Count:
    """The tokens that a cut-off would cover now. All of one agent, or of a large task, are not counted one by one."""
    lives = _Lives(house, now_us)
    found = _quick(house, cut, now_us, lives)
    return _each(house, cut, now_us, lives) if found is None else found


def _each(house: House, cut: Cut, now_us: int, lives: _Lives) -> Count:
    found = cuts.covered(house.db, cut, now_us)
    live = sum(row.tokens for row in found if lives.is_live(row.agent, row.instance))
    return Count(sum(row.tokens for row in found), live)


def _quick(house: House, cut: Cut, now_us: int, lives: _Lives) -> Count | None:
    """The same from the tally, None where that has no answer."""
    db = house.db
    if cut.kind != "agent" or not cut.plain or not tally.trusted(db, now_us):
        return None
    total = tally.of_agent(db, cut.ref, now_us)
    stopped = lives.stopped.get(cut.ref, ())
    idle = sum(_each(house, Cut("instance", value=one, agent=cut.ref), now_us, lives).standing for one in stopped)
    return Count(total, total - idle if lives.acts(cut.ref) else 0)


class _Lives:
    """Whose tokens would be accepted now; each agent is looked at once."""

    def __init__(self, house: House, now_us: int) -> None:
        self.house = house
        self.now_us = now_us
        self.stopped = belongings.suspended(house.db)
        self._acts: dict[int, bool] = {}

    def acts(self, agent: int) -> bool:
        """Whether the agent is active and not frozen."""
        if agent not in self._acts:
            row = table.by_id(self.house.db, agent)
            active = row is not None and agents.state_at(row, self.now_us) == "active"
            self._acts[agent] = active and row is not None and frozen.by(self.house, row) is None
        return self._acts[agent]

    def is_live(self, agent: int, instance: str) -> bool:
        """Whether that instance of the agent acts."""
        return self.acts(agent) and instance not in self.stopped.get(agent, ())
