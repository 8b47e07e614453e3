"""What `audit record` makes of events: what is recorded and what only claimed, sealed and masked, and who is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nhictl.core.ledger import event_line
from nhictl.errors import InputError, NhictlError
from nhictl.ops.audit_log import verify_home
from nhictl.ops.end_task import end_task
from nhictl.ops.house import House
from nhictl.ops.record_events import Kept, Outcome, record_events
from nhictl.ops.replay import Filter, from_home
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.store import log
from tests.ops.token_home import Authority, add_token, records

CALL: dict[str, Any] = {"type": "tool.called", "tool": "reports.read", "args": {"limit": 3}, "call": "c1"}


def tell(house: House, *events: dict[str, Any], token: bytes | None = None) -> list[Outcome]:
    return record_events(house, [event_line.read(event) for event in events], token)[0]


def kept(outcome: Outcome) -> Kept:
    assert isinstance(outcome, Kept), outcome
    return outcome


def test_evidence_is_recorded_only_for_who_shows_a_live_token(authority: Authority, home: House) -> None:
    token, jti = authority.token.token, authority.token.jti
    about = {**CALL, "task": authority.task, "agent": "report-bot"}
    for event, evidence, why in [
        (about, "claimed", None),
        ({**CALL, "jti": jti}, "claimed", None),
        ({**about, "token": token}, "recorded", None),
        ({**CALL, "token": token}, "recorded", None),
        ({**about, "jti": jti, "token": token}, "recorded", None),
        ({**CALL, "task": authority.other_task, "token": token}, "claimed", "token_of_another_task"),
        ({**CALL, "agent": "other-bot", "token": token}, "claimed", "token_of_another_agent"),
        ({**CALL, "jti": authority.other_token.jti, "token": token}, "claimed", "another_token"),
        ({**about, "token": token[:-4] + "AAAA"}, "claimed", "signature_invalid"),
    ]:
        found = kept(tell(home, event)[0])
        assert (found.evidence, found.why) == (evidence, why), event
        line = records(home)[found.seq]
        assert line["src"] == {"state": evidence}
        assert ("tok" in line) == (evidence == "recorded")
        assert line["op"] == "execute_tool"
    assert verify_home(home, ()).exit == 0


@pytest.mark.parametrize("how", ["revoked", "task_closed", "expired"])
def test_token_that_is_not_live_proves_nothing(authority: Authority, home: House, how: str) -> None:
    token = authority.token.token.encode()
    assert kept(tell(home, CALL, token=token)[0]).evidence == "recorded"
    if how == "revoked":
        revoke(home, Selector(jti=authority.token.jti), None)
    elif how == "task_closed":
        end_task(home, authority.task, "closed", None)
    else:
        home.clock.now_us += 400 * 1_000_000  # type: ignore[attr-defined]
    found = kept(tell(home, {**CALL, "task": authority.task}, token=token)[0])
    assert found.evidence == "claimed"
    assert found.why is not None
    assert how.removeprefix("task_") in found.why
    refused = tell(home, CALL, token=token)[0]
    assert isinstance(refused, InputError), "a token that proves nothing names nobody"


def test_token_with_limited_uses_is_not_used_up_by_telling(authority: Authority, home: House) -> None:
    issued = add_token(home, authority.task, uses=1)
    for _ in range(3):
        assert kept(tell(home, {**CALL, "token": issued.token})[0]).evidence == "recorded"
    assert home.db.execute("SELECT uses FROM token ORDER BY id DESC LIMIT 1").fetchone() == (1,)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (CALL, "agent_unknown"),
        ({**CALL, "agent": "nobody"}, "agent_unknown"),
        ({**CALL, "task": "t-0000000000000000"}, "task_unknown"),
        ({**CALL, "jti": "AAAAAAAAAAAAAAAAAAAAAA"}, "token_unknown"),
        ({**CALL, "jti": "!"}, "token_unknown"),
        ({**CALL, "task": "TASK", "agent": "other-bot"}, "event_contradicts"),
        ({**CALL, "jti": "JTI", "agent": "other-bot"}, "event_contradicts"),
        ({**CALL, "jti": "JTI", "task": "OTHER"}, "event_contradicts"),
    ],
)
def test_event_about_nobody_is_answered_and_the_others_go_on(
    authority: Authority, home: House, event: dict[str, Any], code: str
) -> None:
    names = {"TASK": authority.task, "JTI": authority.token.jti, "OTHER": authority.other_task}
    event = {key: names.get(value, value) if isinstance(value, str) else value for key, value in event.items()}
    good = {**CALL, "task": authority.task}
    before = len(records(home))
    outcomes = tell(home, good, event, good)
    refused = outcomes[1]
    assert isinstance(refused, NhictlError)
    assert refused.code == code
    assert [kept(outcomes[0]).seq, kept(outcomes[2]).seq] == [before, before + 1]
    assert len(records(home)) == before + 2


def test_nothing_but_bad_events_appends_nothing(home: House) -> None:
    before = log.head(home.db)
    tell(home, {**CALL, "agent": "nobody"})
    assert log.head(home.db) == before


@pytest.mark.parametrize(
    "event",
    [
        [], "x", {}, {"type": "token.revoked", "agent": "report-bot"}, {"type": "log.genesis", "agent": "report-bot"},
        {"type": ["tool.called"], "agent": "report-bot"}, {**CALL, "agent": 1}, {**CALL, "agent": ""},
        {**CALL, "agent": "a", "more": 1}, {**CALL, "agent": "a", "call": "x" * 257}, {**CALL, "agent": "a", "call": 7},
        {**CALL, "agent": "a", "tool": "ü"}, {**CALL, "agent": "a", "span": "a\nb"}, {**CALL, "agent": "a", "time": 1},
        {**CALL, "agent": "a", "time": "yesterday"}, {**CALL, "agent": "a", "outcome": "great"},
        {**CALL, "agent": "a", "outcome": []}, {**CALL, "agent": "a", "token": "ü"}, {**CALL, "agent": "a", "role": "user"},
        {"type": "tool.called", "agent": "a"}, {"type": "tool.returned", "agent": "a", "args": {}},
        {"type": "message.added", "agent": "a", "tool": "x"}, {**CALL, "agent": "a", "principal": "p"},
    ],
)  # fmt: skip
def test_malformed_event_is_refused_by_name(event: Any) -> None:
    with pytest.raises(InputError) as refused:
        event_line.read(event)
    assert refused.value.code == "invalid_event"


def test_content_is_sealed_and_masked_and_replayed(authority: Authority, home: House) -> None:
    secret = "hunter2-and-more"
    events = [
        {**CALL, "args": {"limit": 3, "password": secret}, "resource": f"https://u:{secret}@h/x"},
        {
            "type": "tool.returned",
            "call": "c1",
            "result": [1.5, f"token={secret}"],
            "outcome": "error",
            "error": secret,
        },
        {
            "type": "message.added",
            "role": "user",
            "content": f"password: {secret}",
            "time": "2026-06-01T10:00:00+02:00",
        },
    ]
    outcomes = [kept(one) for one in tell(home, *({**event, "task": authority.task} for event in events))]
    assert [one.masked for one in outcomes] == [2, 1, 1]
    lines = records(home)[-3:]
    assert [line["ext"]["masked"] for line in lines] == [2, 1, 1]
    assert lines[2]["ext"]["time"] == "2026-06-01T08:00:00.000000Z"
    assert lines[1]["outcome"] == "error"
    found = from_home(home, Filter(task=authority.task)).events[-2:]
    call, message = (event.to_json() for event in found)
    assert call["args"]["limit"] == 3
    assert call["outcome"] == "error"
    assert call["result"][0] == 1.5
    assert message["content"].startswith("password: [masked:named:")
    assert secret not in str(call | {"ext": None})
    mark = call["args"]["password"]
    assert mark in call["resource"].replace("url-password", "named"), "the same secret has the same mark in a task"


def test_no_event_changes_what_is_authorised(authority: Authority, home: House) -> None:
    tables = ("task", "token", "cutoff", "agent_version", "policy_version", "freeze")
    before = [home.db.execute(f"SELECT * FROM {table}").fetchall() for table in tables]
    tell(home, {**CALL, "task": authority.task, "token": authority.token.token, "outcome": "denied"})
    assert before == [home.db.execute(f"SELECT * FROM {table}").fetchall() for table in tables]


def test_database_that_was_put_back_records_nothing(tmp_path: Path) -> None:
    made = Authority(tmp_path / "home")
    (tmp_path / "home" / "high-water").unlink()
    with pytest.raises(NhictlError) as refused:
        tell(made.house, {**CALL, "task": made.task})
    assert refused.value.exit == 6
    made.house.close()
