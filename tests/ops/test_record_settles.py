"""A result that is told with a live token settles the limits of the call it is of, and can only ever use more of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from nhictl.core.ledger import event_line
from nhictl.errors import InputError, NhictlError
from nhictl.ops.audit_log import verify_home
from nhictl.ops.record_events import Kept, Outcome, record_events
from nhictl.store import counters
from tests.ops.token_home import Authority, records
from tests.ops.treasury import Treasury, treasury

LIMIT = {"id": "out", "match": {"tools": ["pay.*"]}, "per": "task", "bytes_out": 1000}


@pytest.fixture
def desk(authority: Authority) -> Iterator[Treasury]:
    with treasury(authority, limits=[LIMIT]) as made:
        yield made


def allowed(desk: Treasury) -> int:
    assert desk.call(1) == "valid"
    return len(records(desk.house)) - 1


def told(desk: Treasury, token: bytes | None = None, **more: Any) -> Outcome:
    event = {"type": "tool.returned", "task": desk.task, "tool": "pay.send", **more}
    return record_events(desk.house, [event_line.read(event)], token)[0][0]


def code(outcome: Outcome) -> str:
    assert isinstance(outcome, NhictlError)
    return outcome.code


def test_bytes_that_left_stop_the_next_call(desk: Treasury) -> None:
    seq = allowed(desk)
    done = told(desk, desk.token, called=seq, bytes_out=1000)
    assert isinstance(done, Kept)
    assert (done.evidence, records(desk.house)[-1]["ext"]) == ("recorded", {"called": seq, "bytes_out": 1000})
    assert counters.taken(desk.house.db, seq)[0].settled == done.seq
    assert desk.call(1) == "limit_exceeded"
    assert code(told(desk, desk.token, called=seq, bytes_out=1)) == "already_settled"
    assert verify_home(desk.house, ()).exit == 0


def test_without_a_live_token_of_the_task_it_is_a_claim(desk: Treasury) -> None:
    seq = allowed(desk)
    other = desk.issue(desk.open())
    for token in (None, b"x", other):
        done = told(desk, token, called=seq, bytes_out=1000)
        assert isinstance(done, Kept)
        assert done.evidence == "claimed"
    assert counters.taken(desk.house.db, seq)[0].settled is None
    assert desk.call(1) == "valid"


def test_what_failed_or_was_not_made_gives_nothing_back(authority: Authority) -> None:
    with treasury(authority, limits=[{**LIMIT, "calls": 1, "bytes_out": 10}]) as desk:
        seq = allowed(desk)
        assert isinstance(told(desk, desk.token, called=seq, outcome="denied"), Kept)
        assert desk.call(1) == "limit_exceeded"


def test_a_record_that_is_no_call_of_the_token(desk: Treasury) -> None:
    seq = allowed(desk)
    size = len(records(desk.house))
    other_task = desk.open()
    other = desk.issue(other_task)
    foreign = {"type": "tool.returned", "task": other_task, "called": seq}
    outcomes = [record_events(desk.house, [event_line.read(foreign)], other)[0][0]]
    outcomes += [told(desk, desk.token, called=number) for number in (0, seq - 1, 10**9)]
    assert [code(one) for one in outcomes] == ["call_unknown"] * 4
    assert len(records(desk.house)) == size + 2


@pytest.mark.parametrize(
    "more", [{"called": -1}, {"called": True}, {"called": "1"}, {"bytes_out": 1}, {"called": 1, "bytes_out": 10**16}]
)
def test_what_is_no_number(more: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        event_line.read({"type": "tool.returned", "agent": "a", **more})
    with pytest.raises(InputError):
        event_line.read({"type": "tool.called", "tool": "x", "agent": "a", "called": 1})
