"""A change of custody: every box still opens, the old key opens nothing, and whoever worked meanwhile is not fooled."""

from __future__ import annotations

import sqlite3
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.ledger import record
from nhictl.core.policy.box import parse_box
from nhictl.errors import ConflictError, InputError, NhictlError, UnavailableError, UnsafeError
from nhictl.ops import audit_log, end_task, issue_token, key_custody, replay
from nhictl.ops.house import House
from nhictl.ops.key_custody import Wanted
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from nhictl.store import custody, log
from nhictl.store.kek_swap import STAGED
from nhictl.store.keys import KEK_FILE, Sealer
from nhictl.store.lock import WriteLock
from nhictl.store.passphrase import Source
from tests.custody.keepers import PASSPHRASE, Watcher, house_with, opened

OTHER = b"another passphrase altogether"
AUDIENCE = "https://api.example.org"


def wanted(kind: str, watcher: Watcher, passphrase: bytes = OTHER) -> Wanted:
    return Wanted(kind, watcher.command if kind == "helper" else None, Source(line=passphrase))


def worked_in(house: House) -> str:
    """An agent, a task and a token; the task."""
    register(house, Registration("bot", "o@example.org", "a secret purpose"), None, None)
    task = str(open_task(house, Order("bot", "i", "another purpose", (parse_box("crm.read"),)))[0]["id"])
    issue_token.issue_token(house, task, AUDIENCE)
    return task


def boxes(house: House) -> list[tuple[str, bytes]]:
    """Every box under the key-encryption key, with its place."""
    rows = house.db.execute("SELECT 'signing key:' || kid, sealed FROM signing_key").fetchall()
    return rows + house.db.execute("SELECT 'content key:' || task, sealed FROM content_key").fetchall()


def opens(key: bytes, found: list[tuple[str, bytes]]) -> int:
    """How many of them this key opens."""
    count = 0
    for place, box in found:
        try:
            Sealer(key).open(box, place)
        except UnsafeError:
            continue
        count += 1
    return count


def recorded(house: House) -> list[dict[str, Any]]:
    lines = [record.decode(line) for _, line in log.lines(house.db)]
    return [line["ext"] for line in lines if line["type"] == "custody.changed"]


def works(home: Path, passphrase: bytes, task: str) -> None:
    """A token can be issued, sealed content read and the log verified."""
    house = opened(home, passphrase)
    issue_token.issue_token(house, task, AUDIENCE)
    story = replay.from_home(house, replay.Filter())
    assert any((event.ext or {}).get("purpose") == "a secret purpose" for event in story.events)
    assert audit_log.verify_home(house, ()).verdict == "VERIFIED_UNANCHORED"
    house.close()


@pytest.mark.parametrize(("before", "after"), list(product(("file", "passphrase", "helper"), repeat=2)))
def test_from_each_to_each(home: Path, watcher: Watcher, before: str, after: str) -> None:
    house = house_with(home, before, command=watcher.command if before == "helper" else None)
    task = worked_in(house)
    old = house.unlocked().key
    house.close()
    house = opened(home)
    if (before, after) == ("file", "file"):
        with pytest.raises(ConflictError) as caught:
            key_custody.change(house, wanted(after, watcher))
        assert caught.value.code == "custody_unchanged"
        done, _ = key_custody.change(house, wanted(after, watcher), new_key=True)
    else:
        done, _ = key_custody.change(house, wanted(after, watcher))
    fresh = before == "file"
    assert done.step == {"from": before, "to": after, "new_key": fresh, "resealed": 4 if fresh else 0}
    assert (done.custody["kind"], done.custody["recorded"]) == (after, True)
    assert custody.kind(home) == after
    new = opened(home, OTHER).unlocked()
    assert (new.key == old, new.before) == (not fresh, None)
    assert (opens(new.key, boxes(house)), opens(old, boxes(house))) == (4, 0 if fresh else 4)
    last = recorded(house)[-1]
    assert (last["from"], last["to"], last["new_key"]) == (before, after, fresh)
    house.close()
    works(home, OTHER, task)
    if (before, after) == ("passphrase", "passphrase"):
        with pytest.raises(UnsafeError):
            opened(home, PASSPHRASE).unlocked()


def test_a_new_key_on_demand(home: Path, watcher: Watcher) -> None:
    house = house_with(home, "passphrase")
    task = worked_in(house)
    old, before = house.unlocked().key, boxes(house)
    done, _ = key_custody.change(house, wanted("passphrase", watcher), new_key=True)
    assert done.step["resealed"] == 4
    assert opens(old, boxes(house)) == 0
    assert opens(old, before) == 4, "what a copy from before still holds"
    house.close()
    works(home, OTHER, task)
    data = b"".join(path.read_bytes() for path in home.iterdir())
    assert not any(box in data for _, box in before), "what was sealed under the old key is overwritten"


def test_every_box_there_is_belongs_to_one_of_three_tables(house: House) -> None:
    """A table with boxes of its own has to be sealed anew too."""
    tables = [row[0] for row in house.db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    sealed = {
        table for table in tables for column in house.db.execute(f"PRAGMA table_info({table})") if "seal" in column[1]
    }
    assert sealed == {"signing_key", "content_key", "content"}, "content lies under the content keys"


def test_old_secrets_stay_for_backups_unless_they_are_to_be_erased(home: Path, watcher: Watcher) -> None:
    house = house_with(home, "helper", command=watcher.command)
    (first,) = watcher.secrets()
    done, _ = key_custody.change(house, wanted("helper", watcher))
    assert len(watcher.secrets()) == 2
    assert any("still has the old secret" in note for note in done.notes)
    (second,) = set(watcher.secrets()) - {first}
    done, _ = key_custody.change(house, wanted("file", watcher), erase_old=True)
    assert set(watcher.secrets()) == {first}
    assert any("no backup from before opens" in note for note in done.notes)
    assert any("whoever copies the home can sign" in note for note in done.notes)
    assert second in " ".join(done.notes)


def test_what_cannot_be_erased_is_said(home: Path, watcher: Watcher) -> None:
    house = house_with(home, "helper", command=watcher.command)
    house.unlocked()
    (name,) = watcher.secrets()
    (watcher.folder / name).unlink()
    done, _ = key_custody.change(house, wanted("file", watcher), erase_old=True)
    assert any("could not be erased" in note for note in done.notes)


def test_a_copy_from_before_is_spoken_of(home: Path, watcher: Watcher) -> None:
    house = house_with(home, "file")
    (home / "before-schema-4.db").touch(mode=0o600)
    done, _ = key_custody.change(house, wanted("passphrase", watcher))
    said = " ".join(done.notes)
    assert "hold the old key in the open" in said
    assert "before-schema-4.db" in said
    assert "same key" in " ".join(key_custody.change(opened(home, OTHER), wanted("passphrase", watcher))[0].notes)


def test_the_old_file_is_overwritten(home: Path, watcher: Watcher) -> None:
    house = house_with(home, "file")
    with (home / KEK_FILE).open("rb") as old:
        text = old.read()
        key_custody.change(house, wanted("passphrase", watcher))
        old.seek(0)
        assert old.read() == bytes(len(text))


FAULTS = [
    (Wanted("file2"), InputError),
    (Wanted("helper"), InputError),
    (Wanted("file", "/bin/sh"), InputError),
    (Wanted("helper", "/no/such/program"), UnavailableError),
    (Wanted("passphrase", None, Source(line=b"short")), InputError),
]


@pytest.mark.parametrize(("unwanted", "error"), FAULTS)
def test_what_cannot_be_begun_changes_nothing(home: Path, unwanted: Wanted, error: type[NhictlError]) -> None:
    house = house_with(home, "file")
    before, size = (home / KEK_FILE).read_bytes(), log.head(house.db)
    with pytest.raises(error):
        key_custody.change(house, unwanted, new_key=True)
    assert ((home / KEK_FILE).read_bytes(), log.head(house.db)) == (before, size)
    assert not (home / STAGED).exists()


def test_a_commit_that_fails_leaves_the_old_custody(
    home: Path, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = house_with(home, "file")
    task = worked_in(house)
    before = (home / KEK_FILE).read_bytes()
    placed = []

    def fails(*arguments: Any) -> None:
        placed.append((home / KEK_FILE).read_bytes() != before)
        house.db.execute("ROLLBACK")
        arguments[-1]()
        raise UnavailableError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("nhictl.ops.act._commit", fails)
        with pytest.raises(UnavailableError, match="the disk is full"):
            key_custody.change(house, wanted("helper", watcher))
    assert placed == [True]
    assert (home / KEK_FILE).read_bytes() == before
    assert watcher.secrets() == {}, "its secret was taken back"
    assert not (home / STAGED).exists()
    house.close()
    works(home, PASSPHRASE, task)


def test_a_database_that_cannot_be_written_leaves_the_old_custody(
    home: Path, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = house_with(home, "file")
    task = worked_in(house)
    before = (home / KEK_FILE).read_bytes()

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(log, "set_head", full)
        with pytest.raises(UnavailableError):
            key_custody.change(house, wanted("helper", watcher))
    assert ((home / KEK_FILE).read_bytes(), watcher.secrets()) == (before, {})
    works(home, PASSPHRASE, task)


def test_an_unknown_fate_keeps_both_keys(home: Path, watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit may have been carried out or not: the home opens either way, and the next change makes it right."""
    house = house_with(home, "file")
    task = worked_in(house)

    def unknown(*_: object) -> None:
        house.db.execute("ROLLBACK")
        raise UnavailableError("who knows", code="outcome_unknown")

    with monkeypatch.context() as patch:
        patch.setattr("nhictl.ops.act._commit", unknown)
        with pytest.raises(UnavailableError):
            key_custody.change(house, wanted("passphrase", watcher))
    house.close()
    works(home, OTHER, task)
    house = opened(home, OTHER)
    said, notes = key_custody.show(house)
    assert (said["kind"], said["recorded"], len(notes)) == ("passphrase", False, 1)
    assert "interrupted" in notes[0]
    old = house.unlocked().before
    assert old is not None
    done, _ = key_custody.change(house, wanted("passphrase", watcher))
    assert done.step["new_key"]
    assert key_custody.show(house) == (done.custody, [])
    assert opens(old, boxes(house)) == 0
    works(home, OTHER, task)


@pytest.mark.parametrize("error", [UnavailableError("who knows", code="outcome_unknown"), KeyboardInterrupt()])
def test_a_secret_that_the_home_may_need_is_not_taken_back(
    home: Path, watcher: Watcher, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    house = house_with(home, "file")
    task = worked_in(house)

    def unknown(*_: object) -> None:
        house.db.execute("COMMIT")
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("nhictl.ops.act._commit", unknown)
        with pytest.raises(type(error)):
            key_custody.change(house, wanted("helper", watcher))
    assert len(watcher.secrets()) == 1
    house.close()
    works(home, OTHER, task)


def test_who_opened_the_keys_before_is_told(home: Path, watcher: Watcher) -> None:
    """Nothing is sealed under a key that is gone; what takes authority away goes through all the same."""
    house = house_with(home, "file")
    task = worked_in(house)
    other = opened(home, OTHER)
    third, reader = opened(home, OTHER), opened(home, OTHER)
    for one in (other, third):
        issue_token.issue_token(one, task, AUDIENCE)
    reader.unlocked()
    key_custody.change(house, wanted("passphrase", watcher))
    with pytest.raises(ConflictError) as caught:
        open_task(other, Order("bot", "i", "p", (parse_box("crm.read"),)))
    assert caught.value.code == "custody_changed"
    second = str(open_task(other, Order("bot", "i", "p", (parse_box("crm.read"),)))[0]["id"])
    end_task.end_task(third, task, "killed", "a reason that is sealed")
    said = [(event.ext or {}).get("reason") for event in replay.from_home(reader, replay.Filter()).events]
    assert "a reason that is sealed" in said
    works(home, OTHER, second)


def test_a_key_read_between_two_custodies_is_read_again(home: Path, watcher: Watcher) -> None:
    """The row was read before the change and the key after it."""
    from nhictl.store import agents

    house = house_with(home, "file")
    rows = agents.keys(house.db, "token")
    other = opened(home, OTHER)
    key_custody.change(house, wanted("passphrase", watcher))
    assert len(other.opened(rows[0], bytes)) == 32
    with pytest.raises(UnsafeError):
        other.opened(rows[0]._replace(kid="x"), bytes)


def test_nothing_is_asked_under_the_lock(home: Path, watcher: Watcher) -> None:
    house = house_with(home, "helper", command=watcher.command)
    task = worked_in(house)
    issue_token.issue_token(opened(home, None), task, AUDIENCE)
    key_custody.change(opened(home, None), wanted("helper", watcher))
    assert len(watcher.calls("get")) == 5, "at init, for each of three openings, and to see that the new one is kept"
    assert [line for line in watcher.calls() if "LOCK" in line or "OVERLAP" in line] == []
    lock = WriteLock(home / "lock")
    lock.acquire(1)
    house = opened(home, None)
    house.lock_timeout = 0.1
    watcher.forget()
    with pytest.raises(ConflictError):
        issue_token.issue_token(house, task, AUDIENCE)
    assert "UNDER THE WRITE LOCK" in watcher.calls(), "the helper would have noticed"
    lock.release()


def test_two_changes_at_once_take_turns(home: Path, watcher: Watcher) -> None:
    house = house_with(home, "file")
    turn = WriteLock(home / key_custody.TURN)
    turn.acquire(1)
    house.lock_timeout = 0.1
    with pytest.raises(ConflictError):
        key_custody.change(house, wanted("passphrase", watcher))
    turn.release()
    assert key_custody.change(house, wanted("passphrase", watcher))[0].step["to"] == "passphrase"


def test_a_home_that_begins_under_a_custody_says_so(home: Path, watcher: Watcher) -> None:
    house = house_with(home, "helper", command=watcher.command)
    (ext,) = recorded(house)
    assert ext == {"to": "helper", "id": custody.described(home / KEK_FILE, (home / KEK_FILE).read_bytes()).id}
    assert key_custody.show(house)[0]["since"] == 2
    assert str(watcher.program).encode() not in b"".join(line for _, line in log.lines(house.db)), "sealed beside it"
