"""One task's replay by the index: what it proves, what it notices, and that it reads little."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.ledger import event_line, record
from nhictl.errors import InputError
from nhictl.ops import prune_log, task_records, tasks
from nhictl.ops.audit_log import verify_home
from nhictl.ops.house import DATABASE, House
from nhictl.ops.record_events import record_events
from nhictl.ops.replay import Filter, Story, from_home
from nhictl.ops.rotate_log_key import rotate
from nhictl.store import log
from tests.core.ledger.exported_log import Log, honest_history, new_house, taken_from
from tests.core.ledger.test_verify_database import ATTACKS, BLIND
from tests.ops.token_home import Authority, add_task

OTHERS = 400


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A home in which one task's records lie among many of another: its path and both tasks."""
    made = Authority(tmp_path_factory.mktemp("spread") / "home")
    mine, other = add_task(made.house), made.task
    for number in range(12):
        tell(made.house, mine)
        tell(made.house, other, OTHERS // 12)
        if number == 6:
            rotate(made.house)
    made.house.close()
    return made.house.database.parent, mine, other


@pytest.fixture
def copy(template: tuple[Path, str, str], tmp_path: Path) -> Iterator[House]:
    shutil.copytree(template[0], tmp_path / "home")
    made = House(tmp_path / "home", tmp_path / "home" / DATABASE)
    yield made
    made.close()


@pytest.fixture
def task(template: tuple[Path, str, str]) -> str:
    return template[1]


def tell(house: House, task: str, number: int = 1) -> None:
    event = {"type": "message.added", "task": task, "content": "a word"}
    assert not [
        one for one in record_events(house, [event_line.read(event)] * number)[0] if isinstance(one, InputError)
    ]


def sql(house: House, statement: str, *values: Any) -> None:
    """Let somebody else write in the database."""
    with contextlib.closing(sqlite3.connect(house.database)) as db:
        assert db.execute(statement, values).rowcount > 0
        db.commit()


def seqs(house: House, task: str) -> list[int]:
    return [seq for seq, line in log.lines(house.db) if record.decode(line).get("task") == task]


def replayed(house: House, task: str) -> Story:
    return from_home(house, Filter(task=task))


def told(story: Story) -> tuple[str, str, int]:
    return story.integrity["covers"], story.integrity["verdict"], story.exit


def shown(story: Story) -> list[int | None]:
    return [event.seq for event in story.events]


def test_proved_alone_and_complete_to_the_end(copy: House, task: str) -> None:
    story = replayed(copy, task)
    size = verify_home(copy, ()).size
    assert told(story) == ("task", "VERIFIED_UNANCHORED", 0)
    assert (story.integrity["size"], shown(story)) == (size, seqs(copy, task))
    assert not any("index" in what for what in story.unproven)
    assert any("audit verify" in what for what in story.unproven)
    assert told(from_home(copy, Filter())) == ("log", "VERIFIED_UNANCHORED", 0)


def test_far_apart_it_reads_little_and_says_what_it_did_not_look_at(
    copy: House, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_records, "SPAN", 64)
    read = 0
    real = log.piece

    def counted(db: sqlite3.Connection, start: int, end: int) -> list[tuple[int, bytes]]:
        nonlocal read
        read += end - start
        return real(db, start, end)

    monkeypatch.setattr(log, "piece", counted)
    story = replayed(copy, task)
    assert told(story) == ("task", "VERIFIED_UNANCHORED", 0)
    assert shown(story) == seqs(copy, task)
    assert 0 < read <= 16 * (len(story.events) + 5) < OTHERS
    assert "that the index on tasks leaves out no record of this one between these" in story.unproven


@pytest.mark.parametrize("span", [4096, 8])
@pytest.mark.parametrize("place", [0, 1, 5, -1])
def test_an_altered_record_of_the_task_is_noticed(
    copy: House, task: str, place: int, span: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_records, "SPAN", span)
    seq = seqs(copy, task)[place]
    sql(
        copy,
        "UPDATE log SET line = CAST(replace(CAST(line AS TEXT), 'report-bot', 'repord-bot') AS BLOB) WHERE seq = ?",
        seq,
    )
    story = replayed(copy, task)
    assert told(story) == ("log", "TAMPERED", 1)
    assert story.integrity["first_bad_seq"] == seq


def test_a_record_and_its_link_altered_together_are_noticed(copy: House, task: str) -> None:
    seq = seqs(copy, task)[5]
    line, after = log.line(copy.db, seq), log.line(copy.db, seq + 1)
    assert line is not None
    assert after is not None
    bad = line.replace(b"report-bot", b"repord-bot")
    sql(copy, "UPDATE log SET line = ? WHERE seq = ?", bad, seq)
    linked = after.replace(record.next_prev(line).encode(), record.next_prev(bad).encode())
    sql(copy, "UPDATE log SET line = ? WHERE seq = ?", linked, seq + 1)
    assert told(replayed(copy, task)) == ("log", "TAMPERED", 1)


@pytest.mark.parametrize("place", [0, 1, 5, -1])
def test_a_removed_record_of_the_task_is_noticed(copy: House, task: str, place: int) -> None:
    sql(copy, "DELETE FROM log WHERE seq = ?", seqs(copy, task)[place])
    assert told(replayed(copy, task)) == ("log", "TAMPERED", 1)


@pytest.mark.parametrize("gone", ["opened", "ended"])
def test_a_removed_record_that_the_state_names_is_noticed_however_far(
    copy: House, task: str, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_records, "SPAN", 8)
    row = tasks.find(copy, task)
    seq = row.seq if gone == "opened" else row.seq + 200
    if gone == "ended":
        sql(copy, "UPDATE task SET ended = ?, outcome = 'closed' WHERE id = ?", seq, row.id)
    assert told(replayed(copy, task)) == ("task", "VERIFIED_UNANCHORED", 0)
    sql(copy, "DELETE FROM log WHERE seq = ?", seq)
    assert told(replayed(copy, task)) == ("log", "TAMPERED", 1)


def test_a_record_hidden_from_the_index_is_shown(copy: House, task: str) -> None:
    before = seqs(copy, task)
    sql(copy, "UPDATE log SET task = NULL WHERE seq = ?", before[4])
    story = replayed(copy, task)
    assert shown(story) == before
    assert f"record {before[4]} is the task's, though the index on tasks does not say so: shown" in story.unproven


def test_a_record_of_another_that_the_index_gives_to_the_task_is_left_out(copy: House, task: str) -> None:
    before = seqs(copy, task)
    sql(copy, "UPDATE log SET task = ? WHERE seq = ?", tasks.find(copy, task).id, before[4] + 1)
    story = replayed(copy, task)
    assert shown(story) == before
    assert f"record {before[4] + 1} is not the task's, though the index on tasks says so: left out" in story.unproven


def test_another_tasks_altered_record_is_left_to_the_verifier(
    copy: House, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_records, "SPAN", 8)
    seq = seqs(copy, task)[5] + 17
    assert seq // 16 not in {each // 16 for each in seqs(copy, task)}
    sql(copy, "UPDATE log SET line = CAST('x' AS BLOB) WHERE seq = ?", seq)
    assert told(replayed(copy, task)) == ("task", "VERIFIED_UNANCHORED", 0)
    assert verify_home(copy, ()).exit == 1


@pytest.mark.parametrize(
    "damage", ["DELETE FROM tree", "UPDATE tree SET hash = zeroblob(32)", "UPDATE tree SET hash = 'x' WHERE idx = 3"]
)
def test_kept_nodes_that_are_wrong_cost_time_only(
    copy: House, task: str, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_records, "SPAN", 8)
    sql(copy, damage)
    story = replayed(copy, task)
    assert told(story) == ("log", "VERIFIED_UNANCHORED", 0)
    assert shown(story) == seqs(copy, task)


def test_a_database_put_back_is_noticed(copy: House, task: str) -> None:
    with contextlib.closing(sqlite3.connect(copy.database)) as db:
        old = db.execute("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1 OFFSET 1").fetchone()[0]
        size = int(old.split("\n")[1])
        db.execute("DELETE FROM log WHERE seq >= ?", (size,))
        db.execute("DELETE FROM checkpoint WHERE size > ?", (size,))
        db.commit()
    assert told(replayed(copy, task)) == ("log", "TAMPERED", 1)


def test_lines_that_were_moved_out_count_by_their_hash(copy: House, task: str, tmp_path: Path) -> None:
    now = copy.clock()
    copy.close()
    house = House(copy.home, copy.database, clock=lambda: now + 10_000_000)
    tell(house, task, 3)
    prune_log.prune(house, now, str(tmp_path / "old.jsonl"))
    story = replayed(house, task)
    assert told(story) == ("task", "VERIFIED_UNANCHORED", 0)
    assert len(story.events) >= 3
    assert any("are not shown: their lines are in" in what for what in story.unproven)
    house.close()


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Log, str]:
    home = tmp_path_factory.mktemp("honest") / "home"
    made = new_house(home)
    honest_history(made)
    found, task = taken_from(made), made.db.execute("SELECT name FROM task").fetchone()[0]
    made.close()
    return home, found, task


@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in BLIND])
def test_every_attack_on_a_short_log(short: tuple[Path, Log, str], tmp_path: Path, name: str) -> None:
    shutil.copytree(short[0], tmp_path / "home")
    house = House(tmp_path / "home", tmp_path / "home" / DATABASE)
    alter, (verdict, kind, seq) = ATTACKS[name]
    with contextlib.closing(sqlite3.connect(house.database)) as db:
        alter(db, short[1])
        db.commit()
    found = task_records.read(house, tasks.find(house, short[2]))
    assert (found.integrity.verdict, found.integrity.kind, found.integrity.first_bad_seq) == (verdict, kind, seq)
    house.close()


def test_a_short_log_without_an_attack(short: tuple[Path, Log, str], tmp_path: Path) -> None:
    shutil.copytree(short[0], tmp_path / "home")
    house = House(tmp_path / "home", tmp_path / "home" / DATABASE)
    found = task_records.read(house, tasks.find(house, short[2]))
    assert (found.whole, found.integrity.verdict) == (False, "VERIFIED_UNANCHORED")
    house.close()


def test_a_home_of_before_gets_the_nodes(tmp_path: Path) -> None:
    made = Authority(tmp_path / "home")
    tell(made.house, made.task, 300)
    kept = made.house.db.execute("SELECT level, idx, hash FROM tree ORDER BY level, idx").fetchall()
    made.house.close()
    assert len(kept) >= 19
    with contextlib.closing(sqlite3.connect(made.house.database)) as db:
        db.execute("DROP TABLE tree")
        db.execute("PRAGMA user_version=13")
        db.commit()
    house = House(tmp_path / "home", made.house.database)
    assert house.db.execute("SELECT level, idx, hash FROM tree ORDER BY level, idx").fetchall() == kept
    assert told(replayed(house, made.task))[0] == "task"
    house.close()
