"""Tampering with an exported log: each attack alone, the verdict, its class, where it begins, and who can see it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from nhictl.core.ledger import checkpoint
from nhictl.core.ledger import verify as ledger
from nhictl.ops import audit_log
from nhictl.ops.house import House
from tests.core.ledger.exported_attacks import ATTACKS, SIZE, TAMPERED, Expected, forged
from tests.core.ledger.exported_log import (
    WRONG_KEY,
    Log,
    anchor,
    edited,
    export,
    honest_history,
    new_house,
    note,
    taken_from,
    text,
)

Keys = list[tuple[str | None, bytes]] | None
VIEWS = ("home", "pinned", "nobody")
"""Whose eyes: the home that holds the log; somebody who pinned its key; somebody who knows nothing of it."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = new_house(tmp_path_factory.mktemp("honest") / "home")
    honest_history(made)
    yield made
    made.close()


@pytest.fixture(scope="module")
def log(house: House) -> Log:
    return taken_from(house)


@pytest.fixture(scope="module")
def other_log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    made = new_house(tmp_path_factory.mktemp("other") / "home")
    honest_history(made)
    found = taken_from(made)
    made.close()
    return found


Look = Callable[..., ledger.Integrity]


@pytest.fixture
def look(house: House, log: Log, tmp_path: Path) -> Look:
    """`look(data, view, anchors…)` is the verdict on a file with these bytes."""
    stranger = House(tmp_path / "none", tmp_path / "none" / "nhictl.db")

    def verify(data: bytes, view: str, *anchors: ledger.Anchor) -> ledger.Integrity:
        path = tmp_path / "log.jsonl"
        path.write_bytes(data)
        keys: Keys = [(log.chain, log.key.public)] if view == "pinned" else None
        return audit_log.verify_file(path, house if view == "home" else stranger, anchors, keys)

    return verify


def told(found: ledger.Integrity) -> tuple[str, str | None, int | None]:
    return found.verdict, found.kind, found.first_bad_seq


@pytest.mark.parametrize("view", VIEWS)
def test_the_honest_log(house: House, log: Log, look: Look, view: str) -> None:
    assert len(log.lines) == SIZE
    assert export(house) == text(log.lines, log.notes, log.keys)
    assert [checkpoint.parse(n).size for n in log.notes] == [4, 8, 10, 11, 12]
    found = look(export(house), view)
    expected = {"nobody": ("UNKNOWN_KEY", "unknown_key", None)}.get(view, ("VERIFIED_UNANCHORED", None, None))
    assert told(found) == expected
    assert (found.size, found.chain) == (SIZE, log.chain)
    assert found.exit == (3 if view == "nobody" else 0)
    assert any("witness" in what for what in found.unproven)


def flip(line: bytes, at: int, bit: int = 1) -> bytes:
    return line[:at] + bytes([line[at] ^ bit]) + line[at + 1 :]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("seq", range(SIZE))
def test_a_flipped_bit_in_any_line(log: Log, look: Look, seq: int, view: str) -> None:
    line = log.lines[seq]
    inside = len(line) - 75  # after this comes `prev`
    for at in [0, 1, 10, 40, inside // 2, inside - 20, inside - 1]:
        lines = [*log.lines[:seq], flip(line, at), *log.lines[seq + 1 :]]
        found = look(text(lines, log.notes, log.keys), view)
        assert (found.verdict, found.exit, found.first_bad_seq) == ("TAMPERED", 1, seq), (at, found)
    for at in [inside, len(line) - 67, len(line) - 66, len(line) - 3, len(line) - 2, len(line) - 1]:
        lines = [*log.lines[:seq], flip(line, at), *log.lines[seq + 1 :]]
        found = look(text(lines, log.notes, log.keys), view)
        in_prev = len(line) - 67 < at < len(line) - 2  # still a record, and either it or the one before was altered
        covered = seq in (0, 4, 8, 10, 11)  # a checkpoint says that it was not the one before
        assert found.verdict == "TAMPERED"
        assert found.first_bad_seq == (seq - 1 if in_prev and not covered else seq), (at, found)


def test_every_bit_of_one_line(log: Log, look: Look) -> None:
    line = log.lines[5]
    for at in range(len(line)):
        changed = flip(line, at, 1 << at % 8)
        found = look(text([*log.lines[:5], changed, *log.lines[6:]], log.notes), "pinned")
        assert found.verdict == "TAMPERED", at
        assert found.first_bad_seq in (4, 5), at


def test_flipped_bits_in_the_last_line_never_crash_and_never_move_the_verdict_to_other_records(
    house: House, log: Log, look: Look
) -> None:
    data = export(house)
    start = data.rindex(b"\n", 0, -1) + 1
    newest = log.notes[-1].encode().replace(b"\n", b"\\n")
    assert newest in data[start:]
    for at in range(start, len(data) - 1, 7):
        changed = flip(data, at)
        found = look(changed, "pinned")
        if found.exit == 0:
            assert newest in changed[start:]
        else:
            assert found.verdict == "TAMPERED", at


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", ATTACKS)
def test_attack(log: Log, look: Look, name: str, view: str) -> None:
    alter, expected = ATTACKS[name]
    found = look(alter(log), view)
    wanted = expected[view] if isinstance(expected, dict) else expected
    assert told(found) == wanted, found.message
    assert found.exit == {"TAMPERED": 1, "FORKED": 1, "VERIFIED_UNANCHORED": 0}.get(found.verdict, 3)


class Pipe:
    """Bytes that are made while they are read: a beginning, then as many more of one kind, then an end."""

    def __init__(self, before: bytes, more: int, after: bytes) -> None:
        self.left, self._more, self._after = before, more, after

    def seekable(self) -> bool:
        return False

    def read(self, size: int) -> bytes:
        if not self.left and self._more:
            self.left, self._more = b"x" * min(size, self._more), self._more - min(size, self._more)
        if not self.left:
            self.left, self._after = self._after, b""
        made, self.left = self.left[:size], self.left[size:]
        return made


@pytest.mark.parametrize("at", [0, 3, SIZE])
def test_a_line_of_a_hundred_megabytes_is_named_and_never_held(house: House, log: Log, at: int) -> None:
    whole = text(log.lines, log.notes)
    cut = sum(len(line) + 1 for line in log.lines[:at])
    pipe = cast("BinaryIO", Pipe(whole[:cut], 100_000_000, b"\n" + whole[cut:]))
    assert audit_log.verify_stream(cast("BinaryIO", Pipe(whole, 0, b"")), house, (), None).exit == 0
    tracemalloc.start()
    try:
        found = audit_log.verify_stream(pipe, house, (), None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert told(found) == (TAMPERED, "malformed", at)
    assert peak < 8_000_000


@pytest.mark.parametrize("view", VIEWS)
def test_a_copy_torn_anywhere_is_never_called_tampered(house: House, log: Log, look: Look, view: str) -> None:
    data = export(house)
    ends = {data.rindex(b"\n", 0, -1) + 1 - back for back in (0, 1)}
    for cut in {*range(len(data) - 300, len(data)), *range(0, len(data), 211), *ends}:
        found = look(data[:cut], view)
        assert told(found) == ("INCOMPLETE_TAIL", "incomplete", None), cut
        assert found.size == data[:cut].count(b"\n")
        assert found.exit == 3
        assert found.unproven


ANCHORS: dict[str, tuple[Callable[[Log, Log], tuple[list[bytes], ledger.Anchor]], Expected]] = {
    "same size": (lambda g, _: (g.lines, anchor(g.lines, SIZE)), ("VERIFIED", None, None)),
    "older": (lambda g, _: (g.lines, anchor(g.lines, 7)), ("VERIFIED", None, None)),
    "of the first record": (lambda g, _: (g.lines, anchor(g.lines, 1)), ("VERIFIED", None, None)),
    "of nothing": (lambda g, _: (g.lines, anchor(g.lines, 0)), ("VERIFIED", None, None)),
    "larger": (lambda g, _: (g.lines[:9], anchor(g.lines, SIZE)), (TAMPERED, "truncated", 9)),
    "same size, other root": (
        lambda g, _: (g.lines, anchor(g.lines, SIZE)._replace(root=b"x" * 32)), ("FORKED", "forked", None)
    ),
    "older, other root": (lambda g, _: (g.lines, anchor(g.lines, 7)._replace(root=b"x" * 32)), ("FORKED", "forked", None)),
    "same root, other size": (lambda g, _: (g.lines, anchor(g.lines, 7)._replace(size=8)), ("FORKED", "forked", None)),
    "negative size": (lambda g, _: (g.lines, anchor(g.lines, 7)._replace(size=-1)), ("FORKED", "forked", None)),
    "of another log": (lambda g, o: (g.lines, anchor(o.lines, 7)), (TAMPERED, "other_log", 0)),
    "of a history rewritten by the key's holder": (
        lambda g, _: (forged(g), anchor(g.lines, SIZE)), ("FORKED", "forked", None)
    ),
    "from before the rewriting": (lambda g, _: (forged(g), anchor(g.lines, 5)), ("VERIFIED", None, None)),
}  # fmt: skip


@pytest.mark.parametrize("view", ["home", "pinned"])
@pytest.mark.parametrize("name", ANCHORS)
def test_anchor(log: Log, other_log: Log, look: Look, name: str, view: str) -> None:
    lines, seen = ANCHORS[name][0](log, other_log)
    data = text(lines, [note(lines, len(lines), log.key)])
    assert look(data, view).verdict == "VERIFIED_UNANCHORED"
    found = look(data, view, seen)
    assert told(found) == ANCHORS[name][1], found.message
    if found.verdict == "VERIFIED":
        assert bool(found.unproven) == (seen.size < SIZE)
        good = anchor(lines, len(lines))
        assert look(data, view, seen, good).verdict == "VERIFIED"
    else:
        good = anchor(lines, len(lines))
        assert told(look(data, view, good, seen)) == ANCHORS[name][1]  # one good witness does not outvote a bad one


def test_anchors_and_torn_copies(house: House, log: Log, look: Look) -> None:
    torn = text(log.lines[:9], None) + log.lines[9][:50]
    assert told(look(torn, "pinned", anchor(log.lines, 9))) == ("INCOMPLETE_TAIL", "incomplete", None)
    assert told(look(torn, "pinned", anchor(log.lines, 10))) == (TAMPERED, "truncated", 9)
    assert told(look(b"", "pinned", anchor(log.lines, 1))) == (TAMPERED, "truncated", 0)
    assert told(look(b"", "pinned", anchor(log.lines, 0))) == ("INCOMPLETE_TAIL", "incomplete", None)


def test_an_anchor_does_not_hide_a_break(log: Log, look: Look) -> None:
    lines = [*log.lines[:9], edited(log.lines[9], outcome="error"), *log.lines[10:]]
    found = look(text(lines, log.notes), "pinned", anchor(log.lines, 5))
    assert told(found) == (TAMPERED, "link", 9)


def test_a_key_of_another_log(log: Log, other_log: Log, look: Look, tmp_path: Path) -> None:
    path = tmp_path / "given.jsonl"
    path.write_bytes(text(log.lines, log.notes))
    stranger = House(tmp_path / "none", tmp_path / "none" / "nhictl.db")
    cases: list[tuple[Keys, Expected]] = [
        ([(log.chain, log.key.public)], ("VERIFIED_UNANCHORED", None, None)),
        ([(None, log.key.public)], ("VERIFIED_UNANCHORED", None, None)),
        ([(log.chain, log.key.public), (None, WRONG_KEY.public)], ("VERIFIED_UNANCHORED", None, None)),
        ([(other_log.chain, other_log.key.public)], (TAMPERED, "other_log", 0)),
        ([(log.chain, WRONG_KEY.public)], (TAMPERED, "signature", 0)),
        ([(None, WRONG_KEY.public)], (TAMPERED, "signature", 0)),
        ([(log.chain, b"short")], (TAMPERED, "signature", 0)),
    ]
    for keys, expected in cases:
        assert told(audit_log.verify_file(path, stranger, (), keys)) == expected


def test_json_has_the_members_of_the_contract(log: Log, look: Look) -> None:
    body = look(text(log.lines[:-3], log.notes), "home").to_json()
    assert list(body) == ["verdict", "size", "root", "chain", "first_bad_seq", "class", "message", "unproven"]
    assert (body["class"], body["first_bad_seq"], body["size"]) == ("truncated", 9, 9)
