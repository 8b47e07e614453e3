"""Rotating the log's key: everything that verified goes on to, whoever pinned any key needs nothing, the old one is gone."""

from __future__ import annotations

import base64
import io
import json
import sqlite3
from pathlib import Path

import pytest

from nhictl.core.ledger import checkpoint, record
from nhictl.core.ledger.log_keys import LogKeys
from nhictl.errors import ConflictError, UnsafeError
from nhictl.ops import audit_log, high_water, key_custody, keys
from nhictl.ops.accept_restore import accept
from nhictl.ops.act import transact
from nhictl.ops.backup_home import backup
from nhictl.ops.doctor import database as doctor_database
from nhictl.ops.house import House
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.restore_home import restore
from nhictl.ops.rotate_log_key import Rotated, rotate
from nhictl.ops.turn import log_key
from nhictl.store import agents
from tests.core.ledger.exported_log import anchor, export, honest_history, new_house, taken_from, text

Pins = list[tuple[str | None, bytes]]
GOOD = "VERIFIED_UNANCHORED"


def more(house: House, name: str = "late") -> None:
    register(house, Registration(name, "o@example.org", "p"), None, None)


def verdict(house: House, data: bytes | None = None, pinned: Pins | None = None) -> str:
    nobody = House(house.home / "none", house.home / "none" / "db")
    stream = io.BytesIO(export(house) if data is None else data)
    return audit_log.verify_stream(stream, nobody if pinned else house, (), pinned).verdict


@pytest.fixture
def rotated(house: House) -> Rotated:
    """Fourteen records, of which the thirteenth names the second key."""
    honest_history(house)
    done = rotate(house)
    more(house)
    return done


def test_the_record_and_who_signs_what(house: House, rotated: Rotated) -> None:
    log = taken_from(house)
    value = record.decode(log.lines[12])
    first, second = audit_log.public_keys(house)
    assert value["type"] == "log.key_rotated"
    assert value["ext"].keys() == {"old_key", "new_key", "signature"}
    assert base64.b64decode(record.decode(log.lines[0])["ext"]["log_key"]) == first
    assert (log.key.public, rotated.verifier_key) == (second, log.keys[-1])
    notes = {checkpoint.parse(n).size: n for n in [*log.notes, audit_log.newest(house)[0]]}
    assert {size: [checkpoint.signed_by(n, key) for key in (first, second)] for size, n in notes.items()} == {
        size: [size < 13, size >= 13] for size in notes
    }
    assert {size for size in notes if size < 13}
    assert {13, 14} <= notes.keys()


def test_every_view_goes_on_verifying(house: House, rotated: Rotated) -> None:
    log = taken_from(house)
    first, second = audit_log.public_keys(house)
    assert audit_log.verify_home(house, ()).verdict == GOOD
    assert audit_log.verify_home(house, [anchor(log.lines, n) for n in (1, 12, 13, 14)]).verdict == "VERIFIED"
    pins: list[Pins] = [
        [(log.chain, first)],
        [(log.chain, second)],
        [(None, first)],
        [(log.chain, first), (None, second)],
    ]
    for keys_ in pins:
        assert verdict(house, pinned=keys_) == GOOD
    assert verdict(house) == GOOD
    assert verdict(house, pinned=[(log.chain, b"x" * 32)]) == "TAMPERED"
    before = text(log.lines[:12], [n for n in log.notes if checkpoint.parse(n).size <= 12])
    assert verdict(house, before, [(log.chain, first)]) == GOOD
    checks = [*doctor_database.newest(_Patient(house)), *doctor_database.mark(_Patient(house))]  # type: ignore[arg-type]
    assert {check.status for check in checks} == {"ok"}


class _Patient:
    def __init__(self, house: House) -> None:
        self.house = house

    def open(self) -> sqlite3.Connection:
        return self.house.db


def test_several_times(house: House) -> None:
    for number in range(4):
        rotate(house)
        rotate(house)
        more(house, f"bot{number}")
        assert audit_log.verify_home(house, ()).verdict == GOOD
        assert verdict(house) == GOOD
    known = audit_log.public_keys(house)
    assert len(set(known)) == 9
    chain = taken_from(house).chain
    assert {verdict(house, pinned=[(chain, key)]) for key in known} == {GOOD}
    shown = [key for key in keys.everything(house) if key["use"] == "log"]
    assert [key["state"] for key in shown] == ["old"] * 8 + ["active"]
    assert [key["seq"] for key in shown[:2]] == [2, 3]


def test_the_old_private_key_is_nowhere_in_the_home(house: House) -> None:
    old = agents.active_key(house.db, "log")
    assert old is not None
    assert any(old.sealed in path.read_bytes() for path in house.home.iterdir())  # the control
    done = rotate(house)
    assert (done.erased, done.copies) == (True, [])
    house.close()
    for path in house.home.iterdir():
        for at in range(len(old.sealed) - 16):
            assert old.sealed[at : at + 16] not in path.read_bytes()
    row = agents.keys(house.db, "log")[0]
    assert (row.state, row.sealed) == ("old", bytes(len(old.sealed)))
    with pytest.raises(UnsafeError):
        house.sealer.open(row.sealed, f"signing key:{row.kid}")


def test_an_open_reader_keeps_it_and_that_is_said(house: House) -> None:
    reader = sqlite3.connect(house.database)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM log").fetchone() == (2,)
    assert not rotate(house).erased
    reader.close()
    assert rotate(house).erased


def test_copies_that_hold_it_are_named(house: House) -> None:
    (house.home / "before-schema-3.db").write_bytes(b"")
    assert rotate(house).copies == ["before-schema-3.db"]


def test_who_opened_the_old_key_before_the_lock_signs_with_the_new_one(house: House) -> None:
    held = log_key(house)
    other = House(house.home, house.database, clock=house.clock)
    rotate(other)
    other.close()
    _, head = transact(house, lambda act: act.record("key.prepared"), key=held)
    assert head.size == 4
    more(house)
    assert audit_log.verify_home(house, ()).verdict == GOOD


def test_a_key_that_does_not_open_changes_nothing(house: House) -> None:
    house.db.execute("UPDATE signing_key SET sealed = zeroblob(60) WHERE use = 'log'")
    before = export(house)
    with pytest.raises(UnsafeError):
        rotate(house)
    assert export(house) == before


def test_custody_is_changed_after_a_rotation(house: House, rotated: Rotated, tmp_path: Path) -> None:
    """Every box is sealed anew, and what was destroyed is none."""
    key_custody.change(house, key_custody.Wanted("file", None, None), new_key=True, erase_old=False)
    more(house, "after")
    assert audit_log.verify_home(house, ()).verdict == GOOD


def test_backup_restore_and_the_high_water_mark(house: House, tmp_path: Path) -> None:
    honest_history(house)
    old = backup(house, str(tmp_path / "old.db"), with_keys=False)
    rotate(house)
    new = backup(house, str(tmp_path / "new.db"), with_keys=False)
    assert (old.integrity.verdict, new.integrity.verdict) == (GOOD, GOOD)
    assert high_water.warning(house) is None
    more(house)
    house.close()
    back = restore(House(house.home, house.database, clock=house.clock), str(new.path), keys_file=None, replace=True)
    assert back.refused is not None
    fresh = House(house.home, house.database, clock=house.clock)
    with pytest.raises(UnsafeError, match="put back"):
        more(fresh)
    accept(fresh)
    more(fresh)
    assert audit_log.verify_home(fresh, ()).verdict == GOOD
    fresh.close()
    restore(House(house.home, house.database, clock=house.clock), str(old.path), keys_file=None, replace=True)
    fresh = House(house.home, house.database, clock=house.clock)
    accept(fresh)
    rotate(fresh)
    assert audit_log.verify_home(fresh, ()).verdict == GOOD
    fresh.close()


def test_a_name_for_another_log_is_not_followed(house: House, tmp_path: Path) -> None:
    """The record of one log, put at the same place into another, names no key there."""
    other = new_house(tmp_path / "other")
    rotate(house)
    rotate(other)
    mine, theirs = taken_from(house), taken_from(other)
    found = LogKeys()
    found.begin(mine.lines[0])
    found.follow(2, theirs.lines[2])
    assert found.fault is not None
    good = LogKeys()
    good.begin(mine.lines[0])
    good.follow(2, mine.lines[2])
    assert good.fault is None
    assert [good.at(n) for n in (0, 1, 2, 3, 99)] == [None, *good.keys[:1] * 2, *good.keys[1:] * 2]
    other.close()


def test_prepare_says_where_to_go(house: House) -> None:
    from nhictl.ops import change_key

    kid = keys.everything(house)[0]["kid"]
    with pytest.raises(ConflictError) as caught:
        change_key.taint(house, kid, now=True)
    assert caught.value.hint == "nhictl key rotate --log"


def test_the_reply_is_a_witness(house: House) -> None:
    done = rotate(house)
    reply = json.dumps({"schema": "nhictl.key/v1", "log": done.head.to_json()}).encode()
    seen = audit_log.parse_anchor(reply, "the reply")
    more(house)
    assert audit_log.verify_home(house, [seen]).verdict == "VERIFIED"
