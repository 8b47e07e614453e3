"""`audit prove`: that a record is in the log, or that the log only grew since a size, as files that others can check."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from nhictl.core.ledger import checkpoint, proofs, request
from nhictl.core.ledger import verify as ledger
from nhictl.core.ledger.merkle import BatchTree
from nhictl.core.ledger.proofs import Range
from nhictl.errors import InputError, NotFoundError, UnsafeError
from nhictl.ops.audit_log import contiguous
from nhictl.ops.house import House
from nhictl.ops.segment_files import moved_out
from nhictl.store import log, sqlite


class Proof(NamedTuple):
    """A proof up to a checkpoint: its hashes, and the file that others read (C2SP tlog-proof or add-checkpoint)."""

    note: str
    size: int
    path: list[bytes]
    line: bytes | None
    text: str

    def to_json(self) -> dict[str, Any]:
        """The members of `nhictl.proof/v1` that are common to both kinds."""
        said = checkpoint.parse(self.note)
        log_ = {"chain": said.chain, "size": said.size, "root": base64.b64encode(said.root).decode()}
        path = [base64.b64encode(each).decode() for each in self.path]
        return {"path": path, "note": self.note, "proof": self.text, "log": log_}


def prove_record(house: House, seq: int, size: int | None = None) -> Proof:
    """That record `seq` is in the tree of the checkpoint over `size` records, or the newest.

    NotFoundError (4) if there is no such record or checkpoint; UnsafeError (6) if the log is not what was signed.
    """
    with snapshot(house):
        note, total = note_over(house, size)
        if not 0 <= seq < total:
            raise NotFoundError(f"no record {seq} in a log of {total}", code="record_unknown")
        line = log.line(house.db, seq)
        path = paths(house, note, [proofs.inclusion(seq, total)])[0]
    return Proof(note, total, path, line, request.record_proof(seq, path, note))


def prove_growth(house: House, old: int, size: int | None = None) -> Proof:
    """That the first `old` records are the beginning of the checkpoint over `size`, or the newest."""
    with snapshot(house):
        note, total = note_over(house, size)
        if not 0 <= old <= total:
            raise InputError(f"--old {old}: the log has {total} records", code="usage")
        path = paths(house, note, [proofs.consistency(old, total)])[0]
    return Proof(note, total, path, None, request.add_checkpoint(old, path, note))


@contextlib.contextmanager
def snapshot(house: House) -> Iterator[None]:
    """The home's log as it is at one moment, to be proved from."""
    with sqlite.guarded("read the log"):
        house.db.execute("BEGIN")
        try:
            yield
        finally:
            house.db.execute("COMMIT")


def note_over(house: House, size: int | None) -> tuple[str, int]:
    """The checkpoint over `size` records, or the newest, and its size; NotFoundError (4)."""
    note = log.newest_note(house.db) if size is None else log.note_at(house.db, size)
    if note is None:
        what = "no checkpoint" if size is None else f"no checkpoint over {size} records: no act ended there"
        raise NotFoundError(f"the log has {what}", code="checkpoint_unknown")
    return note, checkpoint.parse(note).size


def paths(house: House, note: str, proved: Sequence[Iterable[Range]]) -> list[list[bytes]]:
    """The proofs over these ranges of the records that `note` covers; UnsafeError (6) if those are not what was signed."""
    wanted, said = [list(ranges) for ranges in proved], checkpoint.parse(note)
    tree = BatchTree(proofs.nodes(part for ranges in wanted for part in ranges))
    done = ledger.scan(contiguous(log.chained(house.db, said.size), moved_out(house).size), (), None, tree)
    if (done.size, done.root) != (said.size, said.root):
        raise UnsafeError(
            "the log is not what its checkpoint was signed over", code="log_tampered",
            hint="look at it with: nhictl audit verify",
        )  # fmt: skip
    return [proofs.path(tree, ranges) for ranges in wanted]
