"""Erasure: afterwards what was erased is in no file of the home, byte for byte, and every proof made before still holds."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.ledger import event_line
from nhictl.errors import ConflictError, NhictlError, NotFoundError, UnsafeError
from nhictl.ops import erase, erase_files
from nhictl.ops.audit_log import newest, parse_anchor, verify_home
from nhictl.ops.backup_home import backup
from nhictl.ops.check_policy import Bench, Call
from nhictl.ops.doctor.report import examine
from nhictl.ops.end_task import end_task
from nhictl.ops.erase import Redacted, redact
from nhictl.ops.house import House
from nhictl.ops.import_logs import import_logs
from nhictl.ops.key_custody import Wanted as Custody
from nhictl.ops.key_custody import change
from nhictl.ops.record_events import record_events
from nhictl.ops.replay import Filter, from_home
from nhictl.ops.restore_home import restore
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.ops.verify_token import consume, verify
from nhictl.store import erasure, schema
from nhictl.store.erasure import Wanted
from tests.harness import ROOT
from tests.ops.token_home import Authority, add_task, add_token, question, records

ALICE, BOB = "alice.zebra@example.org", "bob.walrus@example.org"
NEEDLE = "xylophone"


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    made = Authority(tmp_path / "home")
    yield made
    made.house.close()


def busy(house: House, principal: str, word: str, rounds: int = 3) -> list[str]:
    """Tasks of a principal with content in every place that content can be in, some of it rewritten meanwhile."""
    house.db.execute("PRAGMA secure_delete=OFF")  # some systems' SQLite has it on by itself
    names = []
    for number in range(rounds):
        task = add_task(house, principal=principal)
        names.append(task)
        token = add_token(house, task)
        consume(house, question(token.token, resource=f"https://api.example.org/reports/{word}-{number}"))
        event = {"type": "tool.called", "tool": "reports.read", "task": task, "args": {"q": f"{word} args " * 50}}
        told = [{"type": "message.added", "task": task, "content": f"{word} says " * 200}, event]
        record_events(house, [event_line.read(each) for each in told * 3])
        end_task(house, task, "closed", f"{word} is done")
    return names


def cut_off(house: House) -> None:
    """Cut Alice off by name; her task ends afterwards."""
    task = add_task(house, principal=ALICE)
    add_token(house, task)
    revoke(house, Selector(principal=ALICE), f"{NEEDLE} left")
    end_task(house, task, "closed", None)


def holding(house: House, *words: str) -> list[str]:
    """The files below the home that hold one of these texts, whatever they are."""
    files = (path for path in sorted(house.home.rglob("*")) if path.is_file())
    return [path.name for path in files if any(word.encode() in path.read_bytes() for word in words)]


def done(answer: tuple[Redacted, Any]) -> Redacted:
    return answer[0]


def test_subject_is_in_no_file_afterwards_and_others_are(authority: Authority) -> None:
    house = authority.house
    alices, bobs = busy(house, ALICE, NEEDLE), busy(house, BOB, "trombone")
    cut_off(house)
    purpose = "the monthly report"
    assert holding(house, ALICE) != []
    note = newest(house)[0]
    anchor = parse_anchor(note.encode(), "before")
    before = [line for _, line in house.db.execute("SELECT seq, line FROM log ORDER BY seq")]
    planned = done(redact(house, Wanted(subject=ALICE), "asked for", dry_run=True))
    assert holding(house, ALICE) != []
    answer, head = redact(house, Wanted(subject=ALICE), f"asked for by {BOB}")
    assert answer == planned._replace(pending=[])
    assert (answer.tasks, answer.records, answer.pending) == (4, 1, [])
    assert holding(house, ALICE, NEEDLE) == []
    assert holding(house, BOB) != []
    found = verify_home(house, [anchor])
    assert (found.verdict, found.size) == ("VERIFIED", head.size if head else None)
    assert [line for _, line in house.db.execute("SELECT seq, line FROM log ORDER BY seq")][: len(before)] == before
    for task in bobs:
        events = from_home(house, Filter(task=task)).events
        assert events[0].principal == BOB
        assert any(event.has_content and "trombone" in str(event.content) for event in events)
    events = from_home(house, Filter(task=alices[0])).events
    assert events[-1].type == "log.redacted"
    assert {"args", "prompt"} <= {label for event in events for label in (event.ext or {}).get("erased", ())}
    assert all(event.args is None and not event.has_content for event in events)
    assert [row[0] for row in house.db.execute("SELECT count(*) FROM erasure")] == [0]
    assert purpose in str(house.db.execute("SELECT doc FROM task").fetchall()), "of other people's tasks"


def test_task_alone(authority: Authority) -> None:
    house = authority.house
    first, second, _ = busy(house, ALICE, NEEDLE)
    answer = done(redact(house, Wanted(tasks=(first,)), "asked for"))
    assert answer.tasks == 1
    texts = [str(event.to_json()) for event in from_home(house, Filter(task=second)).events]
    assert any(NEEDLE in text for text in texts)
    assert not any(NEEDLE in str(event.to_json()) for event in from_home(house, Filter(task=first)).events)
    with pytest.raises(ConflictError) as refused:
        redact(house, Wanted(tasks=(first,)), "again")
    assert refused.value.code == "task_erased"
    assert [line["type"] for line in records(house)].count("log.redacted") == 1


def test_record_of_an_import(authority: Authority) -> None:
    house = authority.house
    import_logs(house, [str(ROOT / "samples" / "runs" / "invoice-bot.json")], None)
    seq = len(records(house)) - 1
    answer = done(redact(house, Wanted(record=seq), "not ours"))
    assert (answer.tasks, answer.records, answer.pieces, answer.pending) == (0, 1, 1, [])
    assert verify_home(house, ()).exit == 0
    assert any("imported file is erased" in text for text in from_home(house, Filter()).unproven)
    with pytest.raises(NotFoundError):
        redact(house, Wanted(record=seq), "again")
    with pytest.raises(NotFoundError):
        redact(house, Wanted(record=10**6), "none")


def test_nothing_of_that_name(authority: Authority) -> None:
    for wanted in (Wanted(subject="nobody"), Wanted(tasks=("t-0000000000000000",))):
        with pytest.raises(NotFoundError):
            redact(authority.house, wanted, "x")
    assert records(authority.house)[-1]["type"] != "log.redacted"


def test_open_task_is_refused_or_killed_in_the_same_act(authority: Authority) -> None:
    house = authority.house
    task = add_task(house, principal=ALICE)
    token = add_token(house, task)
    with pytest.raises(ConflictError) as refused:
        redact(house, Wanted(subject=ALICE), "x")
    assert refused.value.code == "task_open"
    assert verify(house, question(token.token)).valid
    answer = done(redact(house, Wanted(subject=ALICE), "x", end_tasks=True))
    assert answer.ended == [task]
    assert verify(house, question(token.token)).reason == "task_killed"
    assert holding(house, ALICE) == []
    late = records(house)
    with pytest.raises(AssertionError):
        assert isinstance(record_events(house, [event_line.read({"type": "message.added", "task": task})])[0][0], tuple)
    assert records(house) == late


def test_task_past_its_deadline_is_ended_for_good(authority: Authority) -> None:
    house = authority.house
    task = add_task(house, principal=ALICE, deadline_s=60)
    authority.clock.advance(61)
    assert done(redact(house, Wanted(subject=ALICE), "x")).ended == []
    assert house.db.execute("SELECT outcome FROM task WHERE name = ?", (task,)).fetchone() == ("closed",)
    assert house.db.execute("SELECT count(*) FROM open_task WHERE principal IS NOT NULL").fetchone() == (0,)


def test_what_was_revoked_by_name_stays_so_and_its_past_is_undecided(authority: Authority) -> None:
    house = authority.house
    task = add_task(house, principal=ALICE)
    token = add_token(house, task)
    at = authority.clock.now_us
    authority.clock.advance(1)
    revoke(house, Selector(principal=ALICE), None)
    seq = len(records(house)) - 1
    assert verify(house, question(token.token)).reason == "token_revoked"
    redact(house, Wanted(subject=ALICE), "x", end_tasks=True)
    assert verify(house, question(token.token)).reason == "token_revoked"
    found = verify(house, question(token.token, at_us=at))
    assert found.reason == "indeterminate", found
    from nhictl.store import cuts

    cut = cuts.at(house.db, seq)
    assert cut is not None
    assert cut.value is not None
    assert cut.value.startswith("erased:")
    assert len(cuts.hit(house.db, cut, authority.clock.now_us, seq)) == 1
    assert Bench(house, None, None).decide(Call(task=task, tool="reports.read", at_us=at)).reason == "indeterminate"


def test_reader_of_before_keeps_it_pending_and_the_next_act_finishes_it(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = authority.house
    busy(house, ALICE, NEEDLE, 1)
    monkeypatch.setattr("nhictl.store.sqlite.BUSY_MS", 50)
    with contextlib.closing(sqlite3.connect(house.database, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert ALICE in str(reader.execute("SELECT doc FROM task").fetchall())
        answer = done(redact(house, Wanted(subject=ALICE), "x"))
        assert answer.to_json()["state"] == "erasure_pending"
        assert len(answer.pending) == 1
        assert ALICE in str(reader.execute("SELECT doc FROM task").fetchall()), "that is why"
        assert [check.status for check in examine(house) if check.id == "erasure"] == ["warn"]
        add_task(house)  # an act that cannot finish it either
        assert erase_files.pending(house) != []
    add_task(house)
    assert erase_files.pending(house) == []
    assert holding(house, ALICE, NEEDLE) == []
    assert [check.status for check in examine(house) if check.id == "erasure"] == ["ok"]


@pytest.mark.parametrize("where", ["act", "copies", "rewrite", "log"])
def test_killed_on_the_way_it_is_finished_later(
    authority: Authority, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = authority.house
    busy(house, ALICE, NEEDLE, 1)

    class KilledError(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        target = {
            "act": "erase.finish",
            "copies": "erase_files._clean_copies",
            "rewrite": "erase_files.erasure.rewrite",
            "log": "erase_files.erasure.cut_log",
        }[where]
        patch.setattr(f"nhictl.ops.{target}", die)
        with pytest.raises(KilledError):
            redact(house, Wanted(subject=ALICE), "x")
    assert erase_files.pending(house) != []
    assert verify_home(house, ()).exit == 0
    assert ALICE not in str(house.db.execute("SELECT * FROM task").fetchall())
    assert erase.finish_all(house).pending == []
    assert holding(house, ALICE, NEEDLE) == []
    with pytest.raises(NotFoundError):
        erase.finish_all(house)


def test_act_that_fails_erases_nothing(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    house = authority.house
    busy(house, ALICE, NEEDLE, 1)
    before = records(house)

    def refuse(*_: object) -> None:
        raise ConflictError("not now")

    with monkeypatch.context() as patch:
        patch.setattr("nhictl.ops.people.may", refuse)
        with pytest.raises(ConflictError):
            redact(house, Wanted(subject=ALICE), "x")
    assert records(house) == before
    assert erasure.tasks_of(house.db, ALICE) != []
    (house.home / "high-water").unlink()
    with pytest.raises(UnsafeError):
        redact(house, Wanted(subject=ALICE), "x")
    assert erasure.tasks_of(house.db, ALICE) != []


def test_copies_beside_the_database_are_cleaned(authority: Authority, tmp_path: Path) -> None:
    house = authority.house
    busy(house, ALICE, NEEDLE, 1)
    cut_off(house)
    saved = backup(house, str(tmp_path / "copy.db"), with_keys=False).path
    busy(house, ALICE, NEEDLE, 1)
    restore(house, str(saved), keys_file=None, replace=True)
    from nhictl.ops.accept_restore import accept

    house.close()
    accept(house)
    with contextlib.closing(sqlite3.connect(house.home / "before-schema-3.db")) as old:
        house.db.backup(old)
        for table in ("open_task", "delegation", "cut_value", "erasure"):
            old.execute(f"DROP TABLE {table}")
    (house.home / "nhictl.db.unfinished").write_text(ALICE)
    (house.home / ".restore-x").mkdir()
    (house.home / ".restore-x" / "nhictl.db").write_text(ALICE)
    assert {"before-restore-1.db", "before-schema-3.db"} <= set(holding(house, ALICE))
    answer = done(redact(house, Wanted(subject=ALICE), "x"))
    assert answer.copies == ["before-restore-1.db", "before-schema-3.db"]
    assert answer.pending == []
    assert holding(house, ALICE, NEEDLE) == []
    with contextlib.closing(sqlite3.connect(house.home / "before-restore-1.db")) as old:
        assert old.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert old.execute("SELECT count(*) FROM log").fetchone()[0] > 0


def test_copy_that_cannot_be_read_keeps_it_pending(authority: Authority) -> None:
    house = authority.house
    busy(house, ALICE, NEEDLE, 1)
    damaged = house.home / "before-restore-1.db"
    damaged.write_bytes(b"SQLite format 3\0" + ALICE.encode() * 400)
    damaged.chmod(0o600)
    answer = done(redact(house, Wanted(subject=ALICE), "x"))
    assert "before-restore-1.db" in answer.pending[0]
    assert holding(house, ALICE) == ["before-restore-1.db"]
    damaged.unlink()
    assert erase.finish_all(house).pending == []
    assert holding(house, ALICE) == []


def test_erased_task_gets_no_new_content_and_keys_can_still_change(authority: Authority) -> None:
    house = authority.house
    task = add_task(house, principal=ALICE)
    token = add_token(house, task)
    redact(house, Wanted(tasks=(task,)), "x", end_tasks=True)
    assert not consume(house, question(token.token, args={"limit": NEEDLE}))[0].valid
    line = records(house)[-1]
    assert line["ext"]["unsealed"] == ["args", "res"]
    assert "c" not in line
    assert holding(house, NEEDLE) == []
    change(house, Custody("file"), new_key=True)
    assert verify_home(house, ()).exit == 0


def test_every_table_is_said_to_hold_personal_data_or_none(authority: Authority) -> None:
    """A new table has to be looked at: put it under `KEPT`, or its columns under `ERASED`, and erase them."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    tables = {row[0] for row in authority.house.db.execute(query)}
    assert tables == set(erasure.ERASED) | erasure.KEPT
    for table, columns in erasure.ERASED.items():
        known = {row[1] for row in authority.house.db.execute(f"PRAGMA table_info({table})")}
        assert set(columns) <= known
    assert len(schema.MIGRATIONS) == schema.VERSION


def test_what_is_said_in_json(authority: Authority) -> None:
    house = authority.house
    busy(house, ALICE, NEEDLE, 1)
    body = done(redact(house, Wanted(subject=ALICE), "x")).to_json()
    assert list(body) == ["state", "tasks", "records", "pieces", "counters", "ended", "copies", "pending"]
    assert body["state"] == "erased"
    assert NEEDLE not in json.dumps(records(house))
    with pytest.raises(NhictlError):
        erase.check(Wanted(), "x")
    with pytest.raises(NhictlError):
        erase.check(Wanted(subject="a", record=1), "x")
    with pytest.raises(NhictlError):
        erase.check(Wanted(subject="a"), None)
