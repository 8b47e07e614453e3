"""What a witness may have kept: every kind of it is held against the log, and what is none is said to be none."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nhictl.core.ledger import verify as ledger
from nhictl.errors import InputError
from nhictl.ops import audit_log
from nhictl.ops.house import House
from nhictl.ops.rotate_log_key import rotate
from nhictl.ops.witness_log import witness
from tests.core.ledger.exported_log import WRONG_KEY, anchor, export, honest_history, new_house, note, taken_from, text


class Longest(io.RawIOBase):
    """A line of so many bytes without ever being in memory, after a log's first lines; counts what was taken of it."""

    def __init__(self, before: bytes, size: int) -> None:
        self.before, self.left, self.taken = before, size, 0

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        piece = self.before[:size] or b"x" * min(size, self.left)
        if self.before:
            self.before = self.before[size:]
        else:
            self.left -= len(piece)
        self.taken += len(piece)
        return piece


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, dict[str, bytes]]]:
    """A house, and what was kept of it by and by."""
    folder = tmp_path_factory.mktemp("kept")
    house = new_house(folder / "home")
    early = note(taken_from(house).lines, 2, taken_from(house).key)
    tokens = honest_history(house)
    note_, head = audit_log.newest(house)
    seen = witness(io.BytesIO(export(house)), "offer", folder / "witness", house.clock, None)
    rotated = rotate(house)
    yield (
        house,
        {
            "an early checkpoint": early.encode(),
            "a checkpoint": note_.encode(),
            "a checkpoint without its last line feed": note_.rstrip().encode(),
            "a checkpoint as JSON": json.dumps(
                {"schema": "nhictl.checkpoint/v1", "note": note_, "log": head.to_json()}
            ).encode(),
            "a cosigned checkpoint": str(seen.to_json()["note"]).encode(),
            "a witness's reply": json.dumps({"schema": "nhictl.witness/v1", **seen.to_json()}).encode(),
            "a token": tokens[0].encode(),
            "a token with a line feed": tokens[1].encode() + b"\n",
            "a reply of `key rotate`": json.dumps({"schema": "nhictl.key/v1", "log": rotated.head.to_json()}).encode(),
            "a reply, indented": json.dumps({"log": head.to_json()}, indent=2).encode(),
        },
    )
    house.close()


def test_every_kind(kept: tuple[House, dict[str, bytes]]) -> None:
    house, found = kept
    data, sizes = export(house), set()
    for name, content in found.items():
        seen = audit_log.parse_anchor(content, name)
        sizes.add(seen.size)
        assert audit_log.verify_home(house, [seen]).verdict == "VERIFIED", name
        assert audit_log.verify_stream(io.BytesIO(data), house, [seen], None).verdict == "VERIFIED", name
        other = seen._replace(root=bytes(32))
        assert audit_log.verify_stream(io.BytesIO(data), house, [other], None).verdict == "FORKED", name
        short = text(taken_from(house).lines[: seen.size - 1], None)
        cut = audit_log.verify_stream(io.BytesIO(short), house, [seen], None)
        assert (cut.verdict, cut.kind) == ("TAMPERED", "truncated"), name
    assert sizes == {2, 5, 6, 12, 13}


NONE: dict[str, bytes] = {
    "nothing": b"",
    "words": b"no anchor",
    "JSON without a head": b'{"schema":"nhictl.error/v1"}',
    "a head of another kind": b'{"log":{"chain":1,"size":"2","root":[]}}',
    "a negative size": b'{"log":{"chain":"' + b"a" * 64 + b'","size":-1,"root":"' + b"A" * 43 + b'="}}',
    "a size that is a truth value": b'{"log":{"chain":"' + b"a" * 64 + b'","size":true,"root":"' + b"A" * 43 + b'="}}',
    "a float": b'{"log":{"chain":"' + b"a" * 64 + b'","size":2.0,"root":"' + b"A" * 43 + b'="}}',
    "a list": b"[]",
    "a token without a head": b"e30.e30.e30",
    "bytes": bytes(range(256)),
    "brackets": b"{" * 50_000,
}


@pytest.mark.parametrize("name", NONE)
def test_what_is_none(name: str) -> None:
    with pytest.raises(InputError) as caught:
        audit_log.parse_anchor(NONE[name], "kept")
    assert caught.value.code == "anchor_malformed"


def test_of_another_log(kept: tuple[House, dict[str, bytes]], tmp_path: Path) -> None:
    house, _ = kept
    other = new_house(tmp_path / "other")
    seen = anchor(taken_from(other).lines, 1)
    for found in (
        audit_log.verify_home(house, [seen]),
        audit_log.verify_stream(io.BytesIO(export(house)), house, [seen], None),
    ):
        assert (found.verdict, found.kind, found.first_bad_seq) == ("TAMPERED", "other_log", 0)
    other.close()


def test_a_line_of_a_hundred_megabytes_is_never_held(kept: tuple[House, dict[str, bytes]]) -> None:
    house, _ = kept
    log = taken_from(house)
    for before in (b"", text(log.lines[:3], None)):
        stream = Longest(before, 100 << 20)
        found = audit_log.verify_stream(stream, house, [], None)  # type: ignore[arg-type]
        assert (found.verdict, found.kind, found.first_bad_seq) == ("TAMPERED", "malformed", 3 if before else 0)
        assert stream.taken < 4 << 20


def test_a_pipe_is_judged_like_a_file(kept: tuple[House, dict[str, bytes]]) -> None:
    """What only an older checkpoint in the file can show, too: the pipe is read once."""
    house, _ = kept
    log = taken_from(house)
    looks: list[Callable[[bytes], ledger.Integrity]] = [
        lambda data: audit_log.verify_stream(io.BytesIO(data), house, [], None),
        lambda data: audit_log.verify_stream(Longest(data, 0), house, [], None),  # type: ignore[arg-type]
    ]
    broken = [*log.lines[:9], log.lines[8], *log.lines[9:]]
    for data in (
        export(house), text(log.lines, log.notes[:-1]), text(broken, log.notes), text(log.lines[:-1], log.notes),
        text(log.lines, [note(log.lines, 13, WRONG_KEY)]), text(log.lines, None), b"", export(house)[:-1],
        text(log.lines, [log.notes[0].replace("\n8\n", "\n9\n"), *log.notes[1:]]),
    ):  # fmt: skip
        found = [look(data) for look in looks]
        assert found[0] == found[1]
