"""`report review`: the access that somebody has to look at."""

from __future__ import annotations

from typing import Any, NamedTuple

from nhictl.core.controls.review import REASONS, review
from nhictl.ops.control_evidence import read
from nhictl.ops.house import House


class Review(NamedTuple):
    """`body` is `nhictl.review/v1` without its schema; `exit` is the log's own."""

    body: dict[str, Any]
    exit: int


def access(house: House, at_us: int | None = None) -> Review:
    """What is to be looked at, now or as of a moment, with counts by reason and how many agents were asked about."""
    gathered = read(house, at_us)
    items = review(gathered.evidence)
    counts = {reason: sum(item["reason"] == reason for item in items) for reason in REASONS}
    agents = sum(agent.state != "retired" for agent in gathered.evidence.agents)
    return Review({"agents": agents, "counts": counts, "items": items, **gathered.summary}, gathered.exit)
