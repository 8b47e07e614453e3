"""A checkpoint offered to a witness, and a record's proof, as files: C2SP tlog-witness (`add-checkpoint`) and tlog-proof."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final, NamedTuple

from nhictl.core.ledger import checkpoint
from nhictl.core.ledger.checkpoint import NoteError

MAX_REQUEST: Final = 16384
_MAX_PROOF: Final = 63
_PROOF: Final = "c2sp.org/tlog-proof@v1"


class Request(NamedTuple):
    """A checkpoint, and the proof that it grew out of the one over `old` records; `old` is None if nothing is said."""

    old: int | None
    proof: list[bytes]
    note: str


def _lines(hashes: Sequence[bytes]) -> str:
    return "".join(f"{base64.b64encode(each).decode()}\n" for each in hashes)


def add_checkpoint(old: int, proof: Sequence[bytes], note: str) -> str:
    """The body that a witness is given."""
    return f"old {old}\n{_lines(proof)}\n{note}"


def record_proof(seq: int, proof: Sequence[bytes], note: str) -> str:
    """A `.tlog-proof` file for one record."""
    return f"{_PROOF}\nindex {seq}\n{_lines(proof)}\n{note}"


def read(text: str) -> Request:
    """An offered checkpoint: with its proof, or alone; NoteError says what is wrong with it."""
    if not text.startswith("old "):
        checkpoint.parse(text)
        return Request(None, [], text)
    head, gap, note = text.partition("\n\n")
    first, *rest = head.split("\n")
    if not gap:
        raise NoteError("no empty line before the checkpoint")
    checkpoint.parse(note)
    return Request(_number(first.removeprefix("old ")), _hashes(rest), note)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 15 or text != str(int(text)):
        raise NoteError("size or index is not a number")
    return int(text)


def _hashes(lines: Sequence[str]) -> list[bytes]:
    if len(lines) > _MAX_PROOF:
        raise NoteError(f"a proof of over {_MAX_PROOF} hashes")
    try:
        found = [base64.b64decode(line, validate=True) for line in lines]
    except ValueError as e:
        raise NoteError("a line of the proof is not base64") from e
    if any(len(each) != 32 for each in found) or [base64.b64encode(each).decode() for each in found] != list(lines):
        raise NoteError("a line of the proof is no hash")
    return found
