"""An act is one transaction: all of it or nothing, never without a record, and never an answer that is a guess."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from typing import Any

import pytest

from nhictl.core import times
from nhictl.errors import NhictlError, UnavailableError, UnsafeError
from nhictl.ops.act import Act, transact
from nhictl.ops.audit_log import verify_home
from nhictl.ops.house import House
from nhictl.store import log, work
from tests.harness import NOON_US, Clock


def dump(house: House) -> str:
    """A digest of everything in the database."""
    return hashlib.sha256("\n".join(house.db.iterdump()).encode()).hexdigest()


def one_record(act: Act) -> int:
    return act.record("key.prepared")


def test_an_act_returns_its_answer_and_the_head_after_it(house: House) -> None:
    answer, head = transact(house, lambda act: (one_record(act), one_record(act), "answer"))
    assert answer == (2, 3, "answer")
    assert (head.size, head.chain) == (4, house.meta["chain"])
    assert head.to_json()["seq"] == 3
    found = verify_home(house, ())
    assert (found.size, found.root) == (head.size, head.root)


@pytest.mark.parametrize("error", [NhictlError("no"), ValueError("no"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize("records", [0, 1, 3])
def test_whatever_is_raised_inside_leaves_no_trace(house: House, error: BaseException, records: int) -> None:
    transact(house, one_record)
    before = dump(house)

    def fails(act: Act) -> None:
        for _ in range(records):
            act.record("task.opened", task_row=7, sealed={"purpose": "p"})
        work.add_task(act.db, "t-x", 1, "i", act.seq, "{}")
        raise error

    with pytest.raises(type(error)):
        transact(house, fails)
    assert dump(house) == before
    assert not house.db.in_transaction
    _, head = transact(house, one_record)  # and the lock is free
    assert head.size == 4
    assert verify_home(house, ()).exit == 0


def test_an_act_without_a_record_is_an_error_and_changes_nothing(house: House) -> None:
    before = dump(house)
    with pytest.raises(NhictlError, match="an act without a record") as caught:
        transact(house, lambda act: work.add_task(act.db, "t-x", 1, "i", act.seq, "{}"))
    assert caught.value.exit == 70
    assert dump(house) == before


@pytest.mark.parametrize(
    "fields",
    [{"ext": {"n": 1.5}}, {"agent": "\ud800"}, {"ext": {"x": "y" * 70_000}}, {"nonsense": 1}],
    ids=["float", "surrogate", "too long", "unknown member"],
)
def test_a_record_that_cannot_be_written_undoes_the_act(house: House, fields: dict[str, Any]) -> None:
    before = dump(house)
    with pytest.raises(NhictlError, match="a record could not be written"):
        transact(house, lambda act: (act.record("key.prepared"), act.record("key.prepared", **fields)))
    assert dump(house) == before


def test_the_clock_as_read_stands_in_the_line_and_the_table_never_decreases(house: House, clock: Clock) -> None:
    steps = [0, 10, -5, -20, 0.000001, 30, -29.5]
    for seconds in steps:
        clock.advance(seconds)
        transact(house, one_record)
    rows = house.db.execute("SELECT ts, line FROM log ORDER BY seq").fetchall()[2:]
    kept = [ts for ts, _ in rows]
    said = [times.parse_rfc3339(json.loads(line)["ts"]) for _, line in rows]
    now, expected = NOON_US, []
    for seconds in steps:
        now += round(seconds * 1_000_000)
        expected.append(now)
    assert said == expected
    assert kept == [max(expected[: i + 1]) for i in range(len(expected))]
    assert said != kept


def test_a_clock_gone_back_refuses_what_grants_and_not_what_takes_away(house: House, clock: Clock) -> None:
    clock.advance(-30)
    transact(house, one_record)
    clock.now_us -= 1
    before = dump(house)
    with pytest.raises(UnsafeError, match="30 s behind") as caught:
        transact(house, one_record)
    assert (caught.value.code, caught.value.exit) == ("clock_regressed", 6)
    assert dump(house) == before
    seq, _ = transact(house, one_record, grants=False)
    line = log.line(house.db, seq)
    assert line is not None
    assert json.loads(line)["ts"] == times.rfc3339(clock.now_us)
    assert house.db.execute("SELECT ts FROM log WHERE seq = ?", (seq,)).fetchone() == (NOON_US,)
    assert verify_home(house, ()).exit == 0


def test_a_write_that_fails_inside_leaves_nothing(house: House) -> None:
    before = dump(house)

    def fails(act: Act) -> None:
        one_record(act)
        act.db.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(UnavailableError, match="cannot write the log"):
        transact(house, fails)
    assert dump(house) == before


def test_nobody_sees_a_record_before_its_commit(house: House) -> None:
    other = House(house.home, house.database, clock=house.clock)
    seen: list[int] = []

    def decide(act: Act) -> None:
        one_record(act)
        row = log.head(other.db)
        assert row is not None
        seen.append(row.size)

    transact(house, decide)
    row = log.head(other.db)
    assert row is not None
    assert [*seen, row.size] == [2, 3]
    other.close()


def test_what_somebody_else_did_meanwhile_is_seen(house: House) -> None:
    other = House(house.home, house.database, clock=house.clock)
    numbers = [transact(who, one_record)[0] for who in (house, house, other, other, house, other, house)]
    assert numbers == list(range(2, 9))
    assert verify_home(house, ()).exit == 0
    other.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE log SET line = CAST(replace(CAST(line AS TEXT), 'prepared', 'activated') AS BLOB) WHERE seq = 3",
        "DELETE FROM log WHERE seq = 3",
        "INSERT INTO log (seq, ts, line) SELECT 4, ts, line FROM log WHERE seq = 3",
        "UPDATE head SET prev = replace(prev, substr(prev, 1, 1), 'x')",
    ],
)
def test_a_log_that_was_changed_between_two_acts_of_a_process_gets_no_record(house: House, change: str) -> None:
    transact(house, one_record)
    transact(house, one_record)
    with contextlib.closing(sqlite3.connect(house.database)) as db, db:
        assert db.execute(change).rowcount == 1
    before = dump(house)
    for _ in range(2):
        with pytest.raises(UnsafeError, match="the head of the log is not its newest record"):
            transact(house, one_record)
    assert dump(house) == before


def test_what_is_sealed_is_not_in_the_line(house: House) -> None:
    seq, _ = transact(house, lambda act: act.record("key.prepared", sealed={"reason": "a secret reason"}))
    line = log.line(house.db, seq)
    assert line is not None
    assert b"secret" not in line
    assert list(json.loads(line)["c"]) == ["reason"]
    found = log.content(house.db, seq, "reason")
    assert found is not None
    assert b"secret" not in found[1]


def test_who_acts_is_the_effective_user_and_not_the_environment(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.setenv("LOGNAME", "somebody-else")
    monkeypatch.setenv("SUDO_USER", "somebody-else")
    seq, _ = transact(house, one_record)
    line = log.line(house.db, seq)
    assert line is not None
    actor = json.loads(line)["actor"]
    assert actor["id"] == f"uid:{os.geteuid()}"
    assert "somebody-else" not in line.decode()


def test_nothing_is_appended_to_a_head_that_is_not_the_newest_record(house: House) -> None:
    house.db.execute("UPDATE head SET prev = ?", ("ab" * 32,))
    with pytest.raises(UnsafeError):
        transact(house, one_record)
