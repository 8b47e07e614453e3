"""Calls at an enforcement point: what is judged is what is recorded, and nothing is allowed that is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.policy.decide import Decision, decide
from nhictl.core.replay import own
from nhictl.core.token.verdict import Verdict
from nhictl.errors import InputError, NhictlError, UnavailableError
from nhictl.ops import guard_call
from nhictl.ops.audit_log import verify_home
from nhictl.ops.change_agent import change
from nhictl.ops.end_task import end_task
from nhictl.ops.freeze import freeze
from nhictl.ops.guard_call import Answer, Call, Grip, begin, settle
from nhictl.ops.house import House
from nhictl.ops.revoke_token import Selector, revoke
from tests.ops.token_home import AUDIENCE, Authority, add_token, records

CALL = Call("reports.read", {"limit": 10}, AUDIENCE + "/2026")


@pytest.fixture
def house(authority: Authority) -> Iterator[House]:
    with authority.copy() as found:
        yield found


def by_token(authority: Authority) -> Grip:
    return Grip("test", AUDIENCE, token=authority.token.token.encode())


def by_task(authority: Authority) -> Grip:
    return Grip("test", task=authority.task)


GRIPS = [by_token, by_task]
Holding = Callable[[Authority], Grip]


@pytest.mark.parametrize("holding", GRIPS)
def test_an_allowed_call_is_one_record_and_its_result_another(
    authority: Authority, house: House, holding: Holding
) -> None:
    answer = begin(house, holding(authority), CALL._replace(call="toolu_1", span="s2", parent="s1"))
    assert (answer.allowed, answer.reason) == (True, "permitted")
    settle(house, answer, "ok", {"rows": [1, 2]})
    called, returned = records(house)[-2:]
    assert called["type"] == "tool.called"
    assert called["outcome"] == "ok"
    assert called["dec"]["rules"] == ["READ"]
    assert ("jti" in called) == (holding is by_token) == ("tok" in called)
    assert called["ext"]["point"] == "test"
    assert returned["ext"]["called"] == answer.seq
    same = ("agent", "inst", "task", "jti", "tool", "call", "span", "pspan")
    assert {k: called.get(k) for k in same} == {k: returned.get(k) for k in same}
    assert verify_home(house, ()).exit == 0
    (event,) = [e for e in own.fold(enumerate(records(house)), lambda *_: None).events if e.type == "tool.called"]
    assert (event.n, event.outcome, event.ended_seq) == (0, "ok", answer.seq + 1)


@pytest.mark.parametrize("holding", GRIPS)
@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (CALL._replace(args={"limit": 101}), "authz_insufficient"),
        (CALL._replace(tool="mail.send", args={}, resource=None), "authz_insufficient"),
        (Call("reports.purge", {}), "forbidden"),
        (Call("reports.audit", {}), "not_permitted"),
    ],
)
def test_a_denied_call_is_recorded_and_takes_nothing(
    authority: Authority, house: House, holding: Holding, call: Call, reason: str
) -> None:
    answer = begin(house, holding(authority), call)
    assert (answer.allowed, answer.reason) == (False, reason)
    denied = records(house)[-1]
    assert (denied["type"], denied["outcome"], denied["dec"]["reason"]) == ("tool.called", "deny", reason)
    assert house.db.execute("SELECT calls FROM task WHERE name = ?", (authority.task,)).fetchone() == (0,)
    with pytest.raises(InputError):
        settle(house, answer, "ok")


def _suspend(house: House, authority: Authority) -> None:
    change(house, "report-bot", "suspend", None)


ENDED: list[tuple[str, Callable[[House, Authority], object], str, str]] = [
    ("killed", lambda h, a: end_task(h, a.task, "killed", None), "task_killed", "task_killed"),
    ("closed", lambda h, a: end_task(h, a.task, "closed", None), "task_closed", "task_closed"),
    ("frozen", lambda h, a: freeze(h, "agent", "report-bot", "test"), "frozen", "frozen"),
    ("cut off", lambda h, a: revoke(h, Selector(task=a.task), "test"), "token_revoked", "token_revoked"),
    ("agent cut off", lambda h, a: revoke(h, Selector(agent="report-bot"), "test"), "token_revoked", "token_revoked"),
    ("suspended", _suspend, "agent_suspended", "agent_suspended"),
]


@pytest.mark.parametrize(("name", "end", "by_its_token", "by_its_task"), ENDED, ids=[row[0] for row in ENDED])
@pytest.mark.parametrize("holding", GRIPS)
def test_what_ends_authority_ends_the_very_next_call(
    authority: Authority, house: House, holding: Holding, name: str, end: Callable[[House, Authority], object],
    by_its_token: str, by_its_task: str,
) -> None:  # fmt: skip
    grip = holding(authority)
    assert begin(house, grip, CALL).allowed
    end(house, authority)
    assert begin(house, grip, CALL).reason == (by_its_token if holding is by_token else by_its_task)


def test_a_cut_off_of_another_task_stops_nobody_else(authority: Authority, house: House) -> None:
    for task in (authority.other_task, authority.foreign_task):
        add_token(house, task)
    revoke(house, Selector(task=authority.other_task), "test")
    revoke(house, Selector(agent="other-bot"), "test")
    assert begin(house, by_task(authority), CALL).allowed


def test_an_unknown_task_is_a_denial(house: House) -> None:
    answer = begin(house, Grip("test", task="t-0000000000000000"), CALL)
    assert (answer.allowed, answer.reason) == (False, "task_unknown")
    assert records(house)[-1]["outcome"] == "deny"


def test_a_task_knows_nothing_of_a_token_and_lets_nobody_claim_it(
    authority: Authority, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def spy(policy: Any, agent: Any, request: Any, *more: Any) -> Decision:
        seen.append(request)
        return decide(policy, agent, request, *more)

    monkeypatch.setattr("nhictl.ops.call_decision.decide", spy)
    begin(house, by_task(authority), CALL._replace(context={"token.ttl_s": 1}))
    assert seen[0].token == {}


def test_whatever_cannot_be_recorded_is_not_allowed(authority: Authority, house: House, tmp_path: Path) -> None:
    house.db.execute("PRAGMA query_only = 1")
    with pytest.raises(NhictlError) as failed:
        begin(house, by_token(authority), CALL)
    assert isinstance(failed.value, UnavailableError)


@pytest.mark.parametrize(
    ("grip", "call"),
    [
        (Grip("test", AUDIENCE), CALL),
        (Grip("test", AUDIENCE, token=b"x", task="t"), CALL),
        (Grip("test", task="t"), CALL._replace(tool="a\nb")),
        (Grip("test", task="t"), CALL._replace(call="")),
        (Grip("test", task="t"), CALL._replace(span="x" * 257)),
        (Grip("test", task="t"), CALL._replace(args={"x": float("nan")})),
        (Grip("test", task="t"), CALL._replace(args={"x": "\ud800"})),
    ],
)
def test_what_no_record_can_hold_is_refused_before_anything_is_written(house: House, grip: Grip, call: Call) -> None:
    before = records(house)
    with pytest.raises(InputError):
        begin(house, grip, call)
    assert records(house) == before


def test_large_and_unreadable_results_are_committed_by_digest(authority: Authority, house: House) -> None:
    for result in ("x" * (guard_call.RESULT_LIMIT + 1), b"\xff", {1, 2}):
        settle(house, begin(house, by_token(authority), CALL), "error", result, error="\ud800" + "e" * 900)
    assert verify_home(house, ()).exit == 0
    assert all(len(one["ext"]["error"]) <= 200 for one in records(house) if one["type"] == "tool.returned")


def test_call_ids_are_made_where_the_host_has_none(authority: Authority, house: House) -> None:
    made: list[Answer] = [begin(house, by_token(authority), CALL) for _ in range(3)]
    assert len({answer.call for answer in made}) == 3
    for answer in reversed(made):
        settle(house, answer, "ok", answer.seq)
    events = own.fold(enumerate(records(house)), lambda seq, label: seq if label == "result" else None).events
    paired = {e.seq: e.ended_seq for e in events if e.type == "tool.called"}
    assert paired == {answer.seq: made[0].seq + 5 - place for place, answer in enumerate(made)}


def test_the_verdict_is_the_live_one(authority: Authority, house: House) -> None:
    """The same token and call, asked the way `token verify --consume` does: the same answer."""
    from nhictl.ops.verify_token import consume
    from tests.ops.token_home import question

    for call in (CALL, CALL._replace(args={"limit": 101}), Call("reports.purge", {})):
        verdict: Verdict = consume(
            house, question(authority.token.token, tool=call.tool, args=call.args, resource=call.resource)
        )[0]
        answer = begin(house, by_token(authority), call)
        assert (answer.allowed, answer.step) == (verdict.valid, verdict.step)
        assert answer.reason == (verdict.reason if not verdict.valid else "permitted")
