"""Tampering with the database itself, through a raw connection on a copy of an honest home."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nhictl.core.ledger import record
from nhictl.core.ledger import verify as ledger
from nhictl.core.ledger.merkle import CompactRange
from nhictl.ops.audit_log import verify_home
from nhictl.ops.house import DATABASE, House
from nhictl.ops.turn import LogKey
from nhictl.store import log as log_table
from tests.core.ledger.exported_log import (
    WRONG_KEY,
    Log,
    anchor,
    edited,
    honest_history,
    new_house,
    note,
    relinked,
    taken_from,
)

SIZE = 12
TAMPERED = "TAMPERED"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Log]:
    """A closed home with an honest log, and that log."""
    home = tmp_path_factory.mktemp("honest") / "home"
    made = new_house(home)
    honest_history(made)
    found = taken_from(made)
    made.close()
    return home, found


@pytest.fixture
def log(template: tuple[Path, Log]) -> Log:
    return template[1]


@pytest.fixture
def copy(template: tuple[Path, Log], tmp_path: Path) -> Iterator[House]:
    shutil.copytree(template[0], tmp_path / "home")
    made = House(tmp_path / "home", tmp_path / "home" / DATABASE)
    yield made
    made.close()


def change(house: House, alter: Callable[[sqlite3.Connection], object]) -> None:
    """Let somebody else write to the database."""
    with contextlib.closing(sqlite3.connect(house.database)) as db:
        alter(db)
        db.commit()


def put(db: sqlite3.Connection, seq: int, line: object) -> None:
    assert db.execute("UPDATE log SET line = ? WHERE seq = ?", (line, seq)).rowcount == 1


def put_all(db: sqlite3.Connection, lines: list[bytes]) -> None:
    for seq, line in enumerate(lines):
        put(db, seq, line)


def put_note(db: sqlite3.Connection, size: int, what: object) -> None:
    assert db.execute("UPDATE checkpoint SET note = ? WHERE size = ?", (what, size)).rowcount == 1


def forged(log: Log) -> list[bytes]:
    return relinked([*log.lines[:5], edited(log.lines[5], agent="other"), *log.lines[6:]])


def signed_over(db: sqlite3.Connection, lines: list[bytes], key: LogKey) -> None:
    put_all(db, lines)
    put_note(db, SIZE, note(lines, SIZE, key))


def own_key_too(db: sqlite3.Connection, log: Log) -> None:
    signed_over(db, forged(log), WRONG_KEY)
    public = json.dumps({"ed25519": base64.b64encode(WRONG_KEY.public).decode()})
    assert db.execute("UPDATE signing_key SET public = ? WHERE use = 'log'", (public,)).rowcount == 1


def swap(db: sqlite3.Connection, first: int, second: int) -> None:
    db.execute("UPDATE log SET seq = -1 WHERE seq = ?", (first,))
    db.execute("UPDATE log SET seq = ? WHERE seq = ?", (first, second))
    db.execute("UPDATE log SET seq = ? WHERE seq = -1", (second,))


def shift_in(db: sqlite3.Connection, log: Log) -> None:
    db.execute("UPDATE log SET seq = -seq WHERE seq >= 6")
    db.execute("UPDATE log SET seq = 1 - seq WHERE seq < 0")
    db.execute("INSERT INTO log (seq, ts, line) VALUES (6, 0, ?)", (edited(log.lines[6], agent="x"),))


Alter = Callable[[sqlite3.Connection, Log], object]
Expected = tuple[str, str | None, int | None]
ATTACKS: dict[str, tuple[Alter, Expected]] = {
    "row edited": (lambda d, g: put(d, 6, edited(g.lines[6], agent="x")), (TAMPERED, "link", 6)),
    "row edited as text": (lambda d, g: put(d, 6, edited(g.lines[6], agent="x").decode()), (TAMPERED, "link", 6)),
    "row edited by SQL": (
        lambda d, _: d.execute("UPDATE log SET line = replace(line, 'bot', 'bat') WHERE seq = 6"), (TAMPERED, "link", 6)
    ),
    "row emptied": (lambda d, _: put(d, 6, b""), (TAMPERED, "malformed", 6)),
    "row made a number": (lambda d, _: put(d, 6, 7), (TAMPERED, "malformed", 6)),
    "row made text that is none": (
        lambda d, _: d.execute("UPDATE log SET line = CAST(x'fffe' AS TEXT) WHERE seq = 6"), (TAMPERED, "malformed", 6)
    ),
    "line feed put into a row": (lambda d, g: put(d, 6, g.lines[6] + b"\n" + g.lines[6]), (TAMPERED, "malformed", 6)),
    "last row edited": (lambda d, g: put(d, 11, edited(g.lines[11], agent="x")), (TAMPERED, "root", 11)),
    "second row edited": (lambda d, g: put(d, 1, edited(g.lines[1], agent="x")), (TAMPERED, "link", 1)),
    "first row edited": (lambda d, g: put(d, 0, edited(g.lines[0], agent="x")), (TAMPERED, "other_log", 0)),
    "first row garbled": (lambda d, _: put(d, 0, b"x"), (TAMPERED, "malformed", 0)),
    "row deleted": (lambda d, _: d.execute("DELETE FROM log WHERE seq = 6"), (TAMPERED, "malformed", 6)),
    "first row deleted": (lambda d, _: d.execute("DELETE FROM log WHERE seq = 0"), (TAMPERED, "malformed", 0)),
    "last row deleted": (lambda d, _: d.execute("DELETE FROM log WHERE seq = 11"), (TAMPERED, "truncated", 11)),
    "all rows deleted": (lambda d, _: d.execute("DELETE FROM log"), (TAMPERED, "truncated", 0)),
    "rows and checkpoints deleted": (
        lambda d, _: d.executescript("DELETE FROM log; DELETE FROM checkpoint"), (TAMPERED, "unsigned", 0)
    ),
    "row deleted and numbers closed up": (
        lambda d, _: d.executescript("DELETE FROM log WHERE seq = 6; UPDATE log SET seq = seq - 1 WHERE seq > 6"),
        (TAMPERED, "link", 6),
    ),
    "rows swapped": (lambda d, _: swap(d, 5, 6), (TAMPERED, "link", 5)),
    "row inserted": (shift_in, (TAMPERED, "link", 6)),
    "row duplicated at the end": (
        lambda d, g: d.execute("INSERT INTO log (seq, ts, line) VALUES (12, 0, ?)", (g.lines[11],)), (TAMPERED, "link", 12)
    ),
    "row appended without a checkpoint": (
        lambda d, g: d.execute("INSERT INTO log (seq, ts, line) VALUES (12, 0, ?)", (
            record.encode({"type": "token.revoked", "outcome": "ok"}, record.next_prev(g.lines[-1])),)),
        (TAMPERED, "unsigned", 12),
    ),
    "negative number": (lambda d, _: d.execute("UPDATE log SET seq = -1 WHERE seq = 0"), (TAMPERED, "malformed", 0)),
    "re-linked without the key": (lambda d, g: put_all(d, forged(g)), (TAMPERED, "root", 5)),
    "re-linked and signed with another key": (
        lambda d, g: signed_over(d, forged(g), WRONG_KEY), (TAMPERED, "signature", 5)
    ),
    "re-linked, signed with another key that is put among ours": (own_key_too, (TAMPERED, "signature", 0)),
    "note replaced by another key's": (
        lambda d, g: put_note(d, SIZE, note(g.lines, SIZE, WRONG_KEY)), (TAMPERED, "signature", 11)
    ),
    "note replaced by an older one": (lambda d, g: put_note(d, SIZE, g.notes[-2]), (TAMPERED, "unsigned", 11)),
    "note garbled": (lambda d, _: put_note(d, SIZE, "garbage"), (TAMPERED, "checkpoint", 11)),
    "note emptied": (lambda d, _: put_note(d, SIZE, ""), (TAMPERED, "checkpoint", 11)),
    "note made a blob": (lambda d, _: put_note(d, SIZE, b"\xff\xfe"), (TAMPERED, "checkpoint", 11)),
    "note made text that is none": (
        lambda d, _: d.execute("UPDATE checkpoint SET note = CAST(x'fffe' AS TEXT) WHERE size = 12"),
        (TAMPERED, "checkpoint", 11),
    ),
    "newest note deleted": (lambda d, _: d.execute("DELETE FROM checkpoint WHERE size = 12"), (TAMPERED, "unsigned", 11)),
    "all notes deleted": (lambda d, _: d.execute("DELETE FROM checkpoint"), (TAMPERED, "unsigned", 0)),
    "note renumbered": (
        lambda d, _: d.execute("UPDATE checkpoint SET size = 1000 WHERE size = 4"), (TAMPERED, "unsigned", 4)
    ),
    "another chain written down": (
        lambda d, _: d.execute("UPDATE meta SET value = ? WHERE key = 'chain'", ("ab" * 32,)), (TAMPERED, "other_log", 0)
    ),
    "tail and its checkpoints deleted": (
        lambda d, _: d.executescript("DELETE FROM log WHERE seq > 8; DELETE FROM checkpoint WHERE size > 9"),
        ("VERIFIED_UNANCHORED", None, None),
    ),
    "rewritten by the holder of the key": (
        lambda d, g: signed_over(d, forged(g), g.key), ("VERIFIED_UNANCHORED", None, None)
    ),
}  # fmt: skip
BLIND = {"tail and its checkpoints deleted": "truncated", "rewritten by the holder of the key": "forked"}
"""What only a witness, or the head kept beside the lines, can show."""


def told(found: ledger.Integrity) -> Expected:
    return found.verdict, found.kind, found.first_bad_seq


def test_the_copy_is_honest(copy: House, log: Log) -> None:
    change(copy, lambda _: None)
    assert told(verify_home(copy, ())) == ("VERIFIED_UNANCHORED", None, None)
    assert told(verify_home(copy, [anchor(log.lines, 7)])) == ("VERIFIED", None, None)


@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in BLIND])
def test_attack(copy: House, log: Log, name: str) -> None:
    alter, expected = ATTACKS[name]
    change(copy, lambda db: alter(db, log))
    found = verify_home(copy, ())
    assert told(found) == expected, found.message
    assert found.exit == 1
    assert verify_home(copy, [anchor(log.lines, 7)]).exit == 1


@pytest.mark.parametrize("name", BLIND)
def test_what_a_witness_shows(copy: House, log: Log, name: str) -> None:
    alter, _ = ATTACKS[name]
    change(copy, lambda db: alter(db, log))
    found = verify_home(copy, [anchor(log.lines, SIZE)])
    assert (found.exit, found.kind) == (1, BLIND[name])


HEADS: dict[str, str] = {
    "smaller": "UPDATE head SET size = 11",
    "larger": "UPDATE head SET size = 13",
    "another prev": f"UPDATE head SET prev = '{'ab' * 32}'",
    "other subtrees": "UPDATE head SET subtrees = zeroblob(64)",
    "subtrees missing": "UPDATE head SET subtrees = zeroblob(32)",
    "subtrees ragged": "UPDATE head SET subtrees = zeroblob(63)",
    "none": "DELETE FROM head",
}


def judged(copy: House, log: Log) -> ledger.Integrity:
    """The verdict on the copy's lines beside the copy's head."""
    done = ledger.scan([[line for _, line in log_table.lines(copy.db)]], [SIZE])
    row = log_table.head(copy.db) or log_table.HeadRow(0, 0, record.GENESIS_PREV, b"")
    head = ledger.Head(row.size, row.prev, row.subtrees)
    keys = [log.key.public]
    return ledger.judge(done, log.notes[-1:], keys, (), pinned_chain=log.chain, complete=True, head=head)


@pytest.mark.parametrize("name", HEADS)
def test_a_head_that_is_not_the_lines(copy: House, log: Log, name: str) -> None:
    assert told(judged(copy, log)) == ("VERIFIED_UNANCHORED", None, None)
    copy.close()
    change(copy, lambda db: db.execute(HEADS[name]))
    assert told(judged(copy, log)) == (TAMPERED, "head", None)


def test_the_honest_head_is_the_tree_of_the_lines(copy: House, log: Log) -> None:
    row = log_table.head(copy.db)
    assert row is not None
    tree = CompactRange()
    for line in log.lines:
        tree.append(bytes.fromhex(record.next_prev(line)))
    assert (row.size, row.prev, row.subtrees) == (SIZE, record.next_prev(log.lines[-1]), tree.to_bytes())


@pytest.mark.parametrize("name", HEADS)
def test_verifying_the_home_looks_at_its_head(copy: House, name: str) -> None:
    change(copy, lambda db: db.execute(HEADS[name]))
    assert verify_home(copy, ()).verdict == TAMPERED
