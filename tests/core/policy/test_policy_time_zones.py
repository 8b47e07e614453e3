"""Time windows where clocks change: every ten minutes of the days around it, against the calendar of the standard library."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from nhictl.core.policy.analysis.compare import compare
from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.decide import decide
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.request import Request
from tests.core.policy.policy_help import MONDAY_NOON_US, document, make_agent

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CHANGES = [
    ("Europe/Berlin", "2026-03-28"), ("Europe/Berlin", "2026-10-24"), ("America/New_York", "2026-03-07"),
    ("America/New_York", "2026-10-31"), ("Australia/Lord_Howe", "2026-04-04"), ("Australia/Lord_Howe", "2026-10-03"),
    ("America/St_Johns", "2026-03-07"), ("Pacific/Chatham", "2026-04-04"), ("Asia/Kolkata", "2026-03-28"),
    ("UTC", "2026-03-28"),
]  # fmt: skip
WINDOWS: list[dict[str, Any]] = [
    {"from": "02:00", "to": "03:00"}, {"days": ["sun"], "from": "01:30", "to": "02:15"}, {"days": ["sat"]},
    {"from": "23:30", "to": "24:00"}, {"days": ["sun", "mon"], "to": "00:30"},
]  # fmt: skip


def windowed(window: dict[str, Any], zone: str) -> Policy:
    rule = {"id": "A", "effect": "permit", "match": {"tools": ["t"]}, "when": {"time": window}}
    return parse_policy([("p", document(tools={"t": {}}, timezone=zone, rules=[rule]))])


def minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def open_at(window: dict[str, Any], zone: str, moment: datetime) -> bool:
    local = moment.astimezone(ZoneInfo(zone))
    begins, ends = minutes(window.get("from", "00:00")), minutes(window.get("to", "24:00"))
    return DAYS[local.weekday()] in window.get("days", DAYS) and begins <= local.hour * 60 + local.minute < ends


@pytest.mark.parametrize(("zone", "day"), CHANGES, ids=[f"{zone} {day}" for zone, day in CHANGES])
def test_windows_follow_the_local_clock_through_a_change(zone: str, day: str) -> None:
    agent, begin = make_agent(), datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=14)
    for window in WINDOWS:
        policy, seen = windowed(window, zone), set()
        for step in range(6 * 76):
            moment = begin + timedelta(minutes=10 * step)
            now_us = round(moment.timestamp() * 1_000_000)
            allowed = decide(policy, agent, Request("bot", "t", now_us=now_us)).allowed
            assert allowed is open_at(window, zone, moment), (window, moment)
            seen.add(allowed)
        assert seen == {True, False}, "the days around a change have moments of both kinds"


def test_an_hour_that_there_is_twice_is_allowed_twice_and_one_that_is_skipped_never() -> None:
    policy, agent = windowed({"from": "02:00", "to": "03:00"}, "Europe/Berlin"), make_agent()

    def open_minutes(day: str) -> int:
        begin = datetime.fromisoformat(f"{day}T00:00:00+00:00") - timedelta(hours=2)
        moments = [begin + timedelta(minutes=step) for step in range(60 * 6)]
        return sum(
            decide(policy, agent, Request("bot", "t", now_us=round(m.timestamp() * 1e6))).allowed for m in moments
        )

    assert [open_minutes(day) for day in ("2026-03-28", "2026-03-29", "2026-10-25")] == [60, 0, 120]


def test_two_zones_of_one_clock_differ_by_their_changes_alone() -> None:
    """Berlin and Lagos agree all winter; a comparison that looked at this week alone would call them equivalent."""
    window = {"from": "08:00", "to": "18:00"}
    found = compare(windowed(window, "Africa/Lagos"), windowed(window, "Europe/Berlin"), None, MONDAY_NOON_US)
    assert found.verdict == "different"
    for region in (*found.gained, *found.lost):
        moment = datetime.fromtimestamp(region.witness.request.now_us / 1e6, UTC)
        assert open_at(window, "Africa/Lagos", moment) is not open_at(window, "Europe/Berlin", moment)
    same = compare(windowed(window, "Europe/Berlin"), windowed(window, "Europe/Paris"), None, MONDAY_NOON_US)
    assert same.verdict == "equivalent"
