"""What a log proves: the verdict over one pass (`scan`), its checkpoints, and what witnesses remember of it.

Only when something is wrong are signed checkpoints used to say where: the first record that no good checkpoint covers.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, NamedTuple

from nhictl.core.ledger import checkpoint as notes_
from nhictl.core.ledger import record
from nhictl.core.ledger.merkle import CompactRange
from nhictl.core.ledger.scan import Leaves, Scan, scan

__all__ = ["UNANCHORED", "Anchor", "Head", "Integrity", "Leaves", "Scan", "judge", "scan"]

UNANCHORED = (
    "no witness: a cut tail, a rollback to an older state or a rewrite by the holder of the log key would not show "
    "(keep a checkpoint elsewhere and give it with --anchor)"
)


class Anchor(NamedTuple):
    """What somebody outside remembers of a log: chain id (hex), size and root, and where they said so."""

    chain: str
    size: int
    root: bytes
    source: str


class Head(NamedTuple):
    """What a database keeps so as to append without reading back: record count, next `prev` (hex), subtree hashes."""

    size: int
    prev: str
    subtrees: bytes


class Integrity(NamedTuple):
    """The verdict on a log. `first_bad_seq` is the first record that is not to be trusted; `kind` the class of the fault."""

    verdict: str
    size: int
    root: bytes
    chain: str | None
    first_bad_seq: int | None = None
    kind: str | None = None
    message: str = ""
    unproven: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The members of `nhictl.integrity/v1`."""
        return {
            "verdict": self.verdict,
            "size": self.size,
            "root": base64.b64encode(self.root).decode(),
            "chain": self.chain,
            "first_bad_seq": self.first_bad_seq,
            "class": self.kind,
            "message": self.message,
            "unproven": list(self.unproven),
        }

    @property
    def exit(self) -> int:
        """0 verified, 1 shown to be altered, 3 not decided."""
        return {"VERIFIED": 0, "VERIFIED_UNANCHORED": 0, "TAMPERED": 1, "FORKED": 1}.get(self.verdict, 3)


def _trusted_size(done: Scan, notes: Sequence[str]) -> int:
    """How many leading records a good checkpoint covers. Signatures are checked last: one is enough."""
    said: list[tuple[int, str]] = []
    for note in notes:
        try:
            made = notes_.parse(note)
        except notes_.NoteError:
            continue
        if done.roots.get(made.size) == made.root:
            said.append((made.size, note))
    for size, note in sorted(said, reverse=True):
        if _signed(done, note, size):
            return size
    return 0


def _signed(done: Scan, note: str, size: int) -> bool:
    """Whether the key that was the log's at `size` signed this note."""
    key = done.keys.at(size)
    return key is not None and notes_.signed_by(note, key)


def judge(
    done: Scan, notes: Sequence[str], keys: Sequence[bytes], anchors: Sequence[Anchor], *, pinned_chain: str | None,
    complete: bool, head: Head | None = None,
) -> Integrity:  # fmt: skip
    """Say what the scan of a log proves.

    `notes` are its checkpoints, newest last, whose sizes were marks of the scan. They have to be signed by the key that
    the log's own records name for that size, or the log does not even agree with itself; `keys` are the log keys that the
    asker trusts (empty: none pinned): any one of the log's, since each later one is signed by the one before, and signs
    over all that was before it. `complete` is False when the file ends without its checkpoint line; `head` is what a
    database keeps beside its lines.
    """
    chain = notes_.chain_id(done.genesis) if done.genesis is not None else None

    def bad(kind: str, seq: int | None, message: str, verdict: str = "TAMPERED") -> Integrity:
        return Integrity(verdict, done.size, done.root, chain, seq, kind, message)

    if done.keys.fault is not None:
        at, why = done.keys.fault
        return bad("log_key" if at else "malformed", min(at, _trusted_size(done, notes)), why)
    if pinned_chain is not None and chain is not None and chain != pinned_chain:
        return bad("other_log", 0, "this is not the log that was asked about: its first record is another")
    if done.broken_at is not None:
        return _broken(done, notes, chain)
    for anchor in anchors:
        fault_found = _against_anchor(done, anchor, chain)
        if fault_found:
            return bad(*fault_found)
    if not complete:
        where = f"{done.size} records link up; the file ends without its checkpoints"
        rest = f"that nothing came after record {done.size - 1}" if done.size else "that there were no records"
        return Integrity(
            "INCOMPLETE_TAIL", done.size, done.root, chain, None, "incomplete", where, (rest, "who wrote these records")
        )
    if not notes:
        return bad("unsigned", 0, "a log of ours has signed checkpoints from its first record on, and here is none")
    if done.keys.keys and keys and not set(keys) & set(done.keys.keys):
        return bad("signature", 0, "the log names another key than the one to be trusted")
    found = _notes_fault(done, notes, chain)
    if found is None and (size := _second_history(done, notes)) is not None:
        return bad("forked", None, f"the log's key has signed other records up to {size} as well", "FORKED")
    if found is None and head is not None:
        found = _head_fault(done, head)
    return bad(*found) if found else _good(done, keys, anchors, chain)


def _broken(done: Scan, notes: Sequence[str], chain: str | None) -> Integrity:
    at = done.broken_at or 0

    def bad(kind: str, seq: int, what: str) -> Integrity:
        return Integrity("TAMPERED", done.size, done.root, chain, seq, kind, what)

    if fault := _malformed(done.last):
        return bad("malformed", at, f"line {at + 1} is not a record in canonical form: {fault}")
    if at == 0 or _trusted_size(done, notes) >= at:
        return bad("link", at, f"record {at} does not follow the one before")
    if fault := _malformed(done.before):  # it links to the one before, so it was put in its place
        return bad("malformed", at - 1, f"line {at} is not a record in canonical form: {fault}")
    return bad(
        "link", at - 1, f"record {at} does not follow record {at - 1}: one of them was altered, added or left out"
    )


def _malformed(line: bytes) -> str | None:
    """Why a line is no record of ours, None if it is one."""
    try:
        record.decode(line)
    except record.RecordError as e:
        return str(e)
    return None


def _against_anchor(done: Scan, anchor: Anchor, chain: str | None) -> tuple[str, int | None, str, str] | None:
    if chain is not None and anchor.chain != chain:
        return "other_log", 0, f"the anchor {anchor.source} is of another log", "TAMPERED"
    if anchor.size > done.size:
        text = f"the anchor {anchor.source} has seen {anchor.size} records, here are {done.size}"
        return "truncated", done.size, text, "TAMPERED"
    if done.roots.get(anchor.size) != anchor.root:
        text = f"the anchor {anchor.source} has seen other records up to {anchor.size}"
        return "forked", None, text, "FORKED"
    return None


def _notes_fault(done: Scan, notes: Sequence[str], chain: str | None) -> tuple[str, int | None, str] | None:
    """What is wrong between the records and their checkpoints: class, first record not to be trusted, message."""
    newest = notes[-1]
    try:
        said = notes_.parse(newest)
    except notes_.NoteError as e:
        return "checkpoint", _untrusted(done, notes), f"the newest checkpoint cannot be read: {e}"
    if chain is not None and said.chain != chain:
        return "checkpoint", _untrusted(done, notes), "the newest checkpoint is of another log"
    altered = said.size != done.size and _altered(done, notes)
    if said.size > done.size and not altered:
        return "truncated", done.size, f"the checkpoint covers {said.size} records, here are {done.size}"
    if said.size < done.size and not altered:
        return "unsigned", said.size, f"records from {said.size} on are covered by no checkpoint"
    if said.root != done.root:
        at = _trusted_size(done, notes)
        return "root", at, f"the records link up but are not those the checkpoint was signed over, from {at} on"
    if not _signed(done, newest, said.size):
        return "signature", _untrusted(done, notes), "the newest checkpoint is not signed by the log's key"
    return None


def _altered(done: Scan, notes: Sequence[str]) -> bool:
    """Whether the last checkpoint that the records reach is over others than these: more is wrong than their number."""
    for note in reversed(notes):
        try:
            said = notes_.parse(note)
        except notes_.NoteError:
            continue
        if said.size in done.roots:
            return done.roots[said.size] != said.root
    return False


def _second_history(done: Scan, notes: Sequence[str]) -> int | None:
    """The size of an older checkpoint that the log's key signed over other records: two histories by one holder."""
    for note in notes[:-1]:
        try:
            said = notes_.parse(note)
        except notes_.NoteError:
            continue
        other = said.size in done.roots and done.roots[said.size] != said.root
        if other and any(notes_.signed_by(note, key) for key in done.keys.keys):
            return said.size
    return None


def _untrusted(done: Scan, notes: Sequence[str]) -> int | None:
    """The first record that no good checkpoint covers, None if all are covered."""
    trusted = _trusted_size(done, notes)
    return trusted if trusted < done.size else None


def _head_fault(done: Scan, head: Head) -> tuple[str, int | None, str] | None:
    """The next record would be appended where `head` says, so it has to fit the records."""
    try:
        root = CompactRange.from_bytes(head.size, head.subtrees).root()
    except ValueError:
        root = b""
    if head.size == done.size and root == done.root and head.prev == record.next_prev(done.last):
        return None
    return "head", None, "the records are unaltered, but the head kept beside them is not theirs"


def _good(done: Scan, keys: Sequence[bytes], anchors: Sequence[Anchor], chain: str | None) -> Integrity:
    if not keys:
        return Integrity(
            "UNKNOWN_KEY", done.size, done.root, chain, None, "unknown_key",
            f"the file agrees with itself ({done.size} records), but nobody pinned its key: give one with --keys",
            ("who wrote these records", UNANCHORED),
        )  # fmt: skip
    if anchors:
        text = f"{done.size} records, unaltered and in order, signed, and as {_anchors(len(anchors))} saw them"
        after = max(a.size for a in anchors)
        rest = (f"records after {after} by a witness",) if after < done.size else ()
        return Integrity("VERIFIED", done.size, done.root, chain, None, None, text, rest)
    text = f"{done.size} records, unaltered and in order, signed by the log's key"
    return Integrity("VERIFIED_UNANCHORED", done.size, done.root, chain, None, None, text, (UNANCHORED,))


def _anchors(count: int) -> str:
    return "1 anchor" if count == 1 else f"{count} anchors"
