"""Access that somebody has to look at: due, ownerless, idle, expiring, and granted beyond what was used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core import times
from nhictl.core.controls import owasp_nhi
from nhictl.core.controls.evidence import DAY_US, EXPIRING_US, REVIEW_US

if TYPE_CHECKING:
    from nhictl.core.controls.evidence import AgentFact, Evidence

REASONS: Final = ("ownerless", "due", "idle", "expiring", "over_granted")


def review(e: Evidence) -> list[dict[str, Any]]:
    """An item a reason and agent that is not retired, by reason and name: `{reason, agent, owner, state, says, since, rows}`.

    - `ownerless`: nobody is accountable. `due`: nobody registered, updated or resumed it within 90 days.
    - `idle`: no call of it was let pass within 30 days. `expiring`: its registration ends within 14 days, or has ended.
    - `over_granted`: ended tasks of it were granted boxes that they did not use; `rows` name them.
    """
    found = []
    for agent in e.agents:
        if agent.state != "retired":
            found += [_item(agent, reason, *why) for reason in REASONS if (why := _why(e, agent, reason)) is not None]
    return sorted(found, key=lambda item: (REASONS.index(item["reason"]), item["agent"]))


def _why(e: Evidence, agent: AgentFact, reason: str) -> tuple[str, int | None, list[dict[str, Any]]] | None:
    since = agent.confirmed_us
    if reason == "ownerless":
        return None if agent.owner else ("nobody is accountable for it", since, [])
    if reason == "due":
        if since is None or e.now_us - since <= REVIEW_US:
            return None
        return f"last looked at {_days(e, since)} ago", since, [{"seq": agent.confirmed}]
    if reason == "idle":
        if not owasp_nhi.idle(e, agent):
            return None
        last = agent.used_us
        return ("never used" if last is None else f"last used {_days(e, last)} ago"), last or since, []
    if reason == "expiring":
        end = agent.expires_us
        if end is None or end - e.now_us > EXPIRING_US:
            return None
        return ("expired" if end <= e.now_us else f"ends in {_days(e, end)}"), end, []
    rows: list[dict[str, Any]] = [
        {"task": task.id, "seq": task.seq, "granted": task.granted, "used": task.used, "unused": list(task.unused)}
        for task in e.tasks
        if task.agent == agent.name and task.ended and task.calls and task.unused and not task.unclear
    ]
    boxes = len({box for row in rows for box in row["unused"]})
    return (f"{boxes} boxes in {len(rows)} ended tasks were never used", None, rows) if rows else None


def _days(e: Evidence, at_us: int) -> str:
    days = abs(e.now_us - at_us) // DAY_US
    return "1 day" if days == 1 else f"{days} days"


def _item(agent: AgentFact, reason: str, says: str, since: int | None, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "reason": reason, "agent": agent.name, "owner": agent.owner or None, "state": agent.state, "says": says,
        "since": None if since is None else times.rfc3339(since), "rows": rows,
    }  # fmt: skip
