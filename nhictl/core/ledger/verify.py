"""What a log proves: verdicts over raw lines, in one streaming pass, without parsing what the hashes already cover.

The pass checks each line's `prev` against the hash of the line before and grows the Merkle root. Only when something is
wrong are signed checkpoints used to say where: the first record that no good checkpoint covers.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from nhictl.core.ledger import checkpoint as notes_
from nhictl.core.ledger import record
from nhictl.core.ledger.merkle import CompactRange

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


class Scan(NamedTuple):
    """One pass over a log: records that link up, the tree over them, roots at the sizes asked for, and where it broke."""

    size: int
    root: bytes
    roots: dict[int, bytes]
    genesis: bytes | None
    broken_at: int | None
    last: bytes


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


def scan(lines: Iterable[bytes], marks: Iterable[int] = ()) -> Scan:
    """Walk `lines` (without line feeds) until one does not link to the one before; note the root at each size in `marks`.

    Constant memory. Raises nothing for bad input: the position of the first line that does not link is `broken_at`.
    """
    tree = CompactRange()
    hashes = tree.hashes
    roots: dict[int, bytes] = {}
    wanted = sorted(set(marks), reverse=True)
    mark = wanted.pop() if wanted else -1
    genesis: bytes | None = None
    line = b""
    expected = record.GENESIS_PREV
    size = 0
    broken = None
    for line in lines:  # the last line is part of the answer
        while mark == size:
            roots[mark] = CompactRange(size, hashes[:]).root()
            mark = wanted.pop() if wanted else -1
        if not line.endswith(b',"prev":"' + expected.encode() + b'"}'):
            broken = size
            break
        if genesis is None:
            genesis = line
        digest = sha256(b"\0" + line)
        expected = digest.hexdigest()
        leaf = digest.digest()
        count = size
        while count & 1:
            leaf = sha256(b"\1" + hashes.pop() + leaf).digest()
            count >>= 1
        hashes.append(leaf)
        size += 1
    tree.size = size
    root = tree.root()
    while mark == size:
        roots[mark] = root
        mark = wanted.pop() if wanted else -1
    return Scan(size, root, roots, genesis, broken, line)


def _trusted_size(done: Scan, notes: Sequence[str], keys: Sequence[bytes]) -> int:
    """How many leading records a good checkpoint covers."""
    best = 0
    for note in notes:
        try:
            said = notes_.parse(note)
        except notes_.NoteError:
            continue
        good = done.roots.get(said.size) == said.root and (not keys or any(notes_.signed_by(note, k) for k in keys))
        if good:
            best = max(best, said.size)
    return best


def judge(
    done: Scan, notes: Sequence[str], keys: Sequence[bytes], anchors: Sequence[Anchor], *, pinned_chain: str | None,
    complete: bool,
) -> Integrity:  # fmt: skip
    """Say what the scan of a log proves.

    `notes` are its checkpoints, newest last, whose sizes were marks of the scan; `keys` the public log keys that the
    asker trusts (empty: none pinned); `complete` is False when the file ends without its checkpoint line.
    """
    chain = notes_.chain_id(done.genesis) if done.genesis is not None else None

    def bad(kind: str, seq: int | None, message: str, verdict: str = "TAMPERED") -> Integrity:
        return Integrity(verdict, done.size, done.root, chain, seq, kind, message)

    if done.genesis is not None and (fault := _genesis_fault(done.genesis)):
        return bad("malformed", 0, fault)
    if pinned_chain is not None and chain is not None and chain != pinned_chain:
        return bad("other_log", 0, "this is not the log that was asked about: its first record is another")
    if done.broken_at is not None:
        return _broken(done, notes, keys, chain)
    for anchor in anchors:
        fault_found = _against_anchor(done, anchor, chain)
        if fault_found:
            return bad(*fault_found)
    if not complete:
        where = f"{done.size} records link up; the file ends without its checkpoints"
        return Integrity(
            "INCOMPLETE_TAIL", done.size, done.root, chain, None, "incomplete", where,
            (f"that nothing came after record {done.size - 1}", "who wrote these records"),
        )  # fmt: skip
    if not notes:
        return bad("unsigned", 0, "the first record promises signed checkpoints, and there is none")
    return _against_notes(done, notes, keys, anchors, chain)


def _genesis_fault(line: bytes) -> str | None:
    try:
        first = record.decode(line)
    except record.RecordError as e:
        return f"the first record is not one of ours: {e}"
    return None if first["type"] == "log.genesis" else "the first record is not the beginning of a log"


def _broken(done: Scan, notes: Sequence[str], keys: Sequence[bytes], chain: str | None) -> Integrity:
    at = done.broken_at or 0
    try:
        record.decode(done.last)
        kind, what = "link", f"record {at} does not follow the one before"
    except record.RecordError as e:
        kind, what = "malformed", f"line {at + 1} is not a record in canonical form: {e}"
    first = at
    if kind == "link" and at > 0 and _trusted_size(done, notes, keys) < at:
        first, what = at - 1, f"record {at} does not follow record {at - 1}: one of them was altered, added or left out"
    return Integrity("TAMPERED", done.size, done.root, chain, first, kind, what)


def _against_anchor(done: Scan, anchor: Anchor, chain: str | None) -> tuple[str, int | None, str, str] | None:
    if anchor.chain != chain:
        return "other_log", 0, f"the anchor {anchor.source} is of another log", "TAMPERED"
    if anchor.size > done.size:
        text = f"the anchor {anchor.source} has seen {anchor.size} records, here are {done.size}"
        return "truncated", done.size, text, "TAMPERED"
    if done.roots.get(anchor.size) != anchor.root:
        text = f"the anchor {anchor.source} has seen other records up to {anchor.size}"
        return "forked", None, text, "FORKED"
    return None


def _against_notes(
    done: Scan, notes: Sequence[str], keys: Sequence[bytes], anchors: Sequence[Anchor], chain: str | None
) -> Integrity:
    def bad(kind: str, seq: int | None, message: str) -> Integrity:
        return Integrity("TAMPERED", done.size, done.root, chain, seq, kind, message)

    newest = notes[-1]
    try:
        said = notes_.parse(newest)
    except notes_.NoteError as e:
        return bad("checkpoint", None, f"the newest checkpoint cannot be read: {e}")
    if said.chain != chain:
        return bad("checkpoint", None, "the newest checkpoint is of another log")
    if said.size > done.size:
        return bad("truncated", done.size, f"the checkpoint covers {said.size} records, here are {done.size}")
    trusted = _trusted_size(done, notes, keys)
    if said.size < done.size:
        return bad("unsigned", said.size, f"records from {said.size} on are covered by no checkpoint")
    if said.root != done.root:
        return bad(
            "root", trusted, f"the records link up but are not those the checkpoint was signed over, from {trusted} on"
        )
    if not keys:
        return Integrity(
            "UNKNOWN_KEY", done.size, done.root, chain, None, "unknown_key",
            f"the file agrees with itself ({done.size} records), but nobody pinned its key: give one with --keys",
            ("who wrote these records", UNANCHORED),
        )  # fmt: skip
    if not any(notes_.signed_by(newest, key) for key in keys):
        return bad("signature", None, "the newest checkpoint is not signed by a key of this log")
    if anchors:
        text = f"{done.size} records, unaltered and in order, signed, and as {len(anchors)} anchor(s) saw them"
        after = max(a.size for a in anchors)
        rest = (f"records after {after} by a witness",) if after < done.size else ()
        return Integrity("VERIFIED", done.size, done.root, chain, None, None, text, rest)
    text = f"{done.size} records, unaltered and in order, signed by the log's key"
    return Integrity("VERIFIED_UNANCHORED", done.size, done.root, chain, None, None, text, (UNANCHORED,))
