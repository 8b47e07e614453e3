"""What `audit prune` lets go of besides lines: access requests that had expired, and what limits counted long ago.

Nothing that was let go of opens anything: an approval does not come back, and a limit never has more room than before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.policy.counters import Result
from nhictl.core.policy.limits import Charge, Counter
from nhictl.errors import NotFoundError, UndecidableError, UnsafeError
from nhictl.ops import approvals, limits
from nhictl.ops.act import transact
from nhictl.ops.house import House
from nhictl.ops.prune_log import prune
from nhictl.store import counters
from tests.harness import Clock
from tests.ops.token_home import Authority, records
from tests.ops.treasury import Treasury, policy, treasury

DAY_US = 86_400_000_000
HOUR = {"id": "hour", "match": {"tools": ["pay.*"]}, "per": "agent", "window": "1h", "calls": 2}
WEEK = {"id": "week", "match": {"tools": ["pay.*"]}, "per": "agent", "window": "7d", "calls": 5}
EVER = {"id": "ever", "match": {"tools": ["pay.*"]}, "per": "agent", "calls": 7}


def count(house: House, table: str) -> int:
    return int(house.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def cut(desk: Treasury, path: Path) -> None:
    prune(desk.house, desk.clock(), str(path))


def later(desk: Treasury, days: int) -> None:
    desk.clock.now_us += days * DAY_US
    desk.task = desk.open()
    desk.token = desk.issue(desk.task)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Treasury]:
    made = Authority(tmp_path / "home")
    made.house.uid = os.geteuid
    yield Treasury(made.house, made.clock, policy(limits=[HOUR, WEEK, EVER]))
    made.house.close()


def test_expired_requests_go_and_stay_refused(desk: Treasury, tmp_path: Path) -> None:
    old_token, used = desk.token, desk.wanted()
    desk.grant(used)
    assert desk.live().valid
    granted = desk.wanted(901)
    desk.grant(granted)
    started = desk.clock()
    later(desk, 2)
    fresh = desk.wanted()
    cut(desk, tmp_path / "one.jsonl")
    assert [row["id"] for row in approvals.everything(desk.house)] == [fresh]
    assert count(desk.house, "approval_grant") == 0
    for name in (used, granted):
        with pytest.raises(NotFoundError):
            approvals.find(desk.house, name)
    assert desk.call(901) == "approval_required"
    desk.clock.now_us = started + 60_000_000  # no clock brings one back
    with pytest.raises(UnsafeError):
        desk.live(901, old_token)
    assert not desk.plain(901, old_token).valid


def test_what_expired_within_a_day_stays(desk: Treasury, tmp_path: Path) -> None:
    request = desk.wanted()
    desk.clock.advance(2 * 3600)
    cut(desk, tmp_path / "one.jsonl")
    assert desk.state(request) == "expired"


def test_counts_are_kept_for_the_longest_window_there_is(desk: Treasury, tmp_path: Path) -> None:
    assert [desk.call(1) for _ in range(3)] == ["valid", "valid", "limit_exceeded"]
    desk.clock.now_us += DAY_US // 2
    later(desk, 3)
    assert [desk.call(1), desk.call(1)] == ["valid", "valid"]
    cut(desk, tmp_path / "one.jsonl")
    assert count(desk.house, "charge") == 3 * 4, "the week is not over"
    desk.clock.advance(3600)
    desk.token = desk.issue(desk.task)
    assert [desk.call(1), desk.call(1)] == ["valid", "limit_exceeded"]
    later(desk, 30)
    cut(desk, tmp_path / "two.jsonl")
    assert count(desk.house, "charge") == 3, "one each"
    assert [desk.call(1) for _ in range(3)] == ["valid", "valid", "limit_exceeded"], "seven for ever"
    later(desk, 1)
    verdict = desk.live(1)
    assert verdict.decision is not None
    assert (verdict.reason, verdict.decision["limit"]) == ("limit_exceeded", "ever")
    with pytest.raises(UndecidableError):
        limits.StoredCounters(desk.house, 20).used(Counter("ever", "agent", "report-bot", None), None)


def test_a_result_that_comes_after_all_gives_nothing_back(authority: Authority) -> None:
    with treasury(authority, limits=[EVER]) as desk:
        assert desk.call(1) == "valid"
        seq = len(records(desk.house)) - 1

        def settle(result: Result) -> int:
            return transact(desk.house, lambda act: limits.settle(act, seq, result, act.record("tool.returned")))[0]

        assert settle(Result()) == 1
        desk.clock.now_us += 30 * DAY_US
        counters.forget(desk.house.db, desk.clock(), 100)
        assert count(desk.house, "reserved") == 0
        assert settle(Result(False)) == 0
        assert limits.StoredCounters(desk.house).used(Counter("ever", "agent", "report-bot", None), None).calls == 1


Steps = st.lists(
    st.tuples(st.sampled_from(["call", "back", "more"]), st.integers(1, 4), st.integers(0, 9)), max_size=24
)


@settings(max_examples=40, deadline=None)
@given(steps=Steps, at=st.integers(0, 60))
def test_windows_that_begin_later_see_the_same_and_no_other_sees_less(
    authority: Authority, steps: list[tuple[str, int, int]], at: int
) -> None:
    clock, one = Clock(authority.clock.now_us), Counter("x", "all", "", "EUR")
    with authority.copy(clock) as house:
        start, open_calls = clock(), []
        seq = 1000

        class Acting:  # what an act is to the counters
            db, ts = house.db, 0

        for kind, seconds, amount in steps:
            clock.advance(seconds)
            seq, Acting.ts = seq + 1, clock()
            act: Any = Acting
            act.house = house
            if kind == "call":
                limits.reserve(act, [Charge(one, amount)], seq)
                open_calls.append(seq)
            elif open_calls:
                result = Result(executed=kind != "back", bytes_out=amount, spend=amount + 1 if kind == "more" else None)
                limits.settle(act, open_calls.pop(0), result, seq)
        seen = limits.StoredCounters(house)
        moments = [None, *(start + n * 1_000_000 for n in range(-1, 70))]
        before = {moment: seen.used(one, moment) for moment in moments}
        cut_at = start + at * 1_000_000
        while counters.forget(house.db, cut_at, 3):
            pass
        for moment in moments:
            now = seen.used(one, moment)
            if moment is None or moment >= cut_at:
                assert now == before[moment]
            else:
                assert all(new >= old for new, old in zip(now, before[moment], strict=True))
