"""`audit witness`: remember the largest checkpoint seen of a log, and cosign only what that one is the beginning of.

The file form of C2SP tlog-witness: what is offered is a request (`old SIZE`, a consistency proof, the checkpoint), a
checkpoint alone, or a whole exported log, which is its own proof. A witness never steps back and names what it refuses.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, cast

from nhictl.core.ledger import checkpoint, proofs, record, request
from nhictl.core.ledger import verify as ledger
from nhictl.core.ledger.checkpoint import Checkpoint, NoteError
from nhictl.core.ledger.cosignature import Cosigner, named
from nhictl.errors import ConflictError, InputError, UnsafeError
from nhictl.ops import log_file
from nhictl.store.witness_state import WitnessState

STATE: Final = "nhictl.witness-state/v1"
Keys = Sequence[tuple[str | None, bytes]]


class Seen(NamedTuple):
    """What is remembered of a log: its newest checkpoint, and its keys so far, the one that signs last."""

    note: str
    said: Checkpoint
    keys: list[bytes]
    seconds: int


class Offer(NamedTuple):
    """A checkpoint that may be accepted, with the log's keys as far as it shows them; or what is wrong with it."""

    verdict: str
    kind: str | None
    message: str
    said: Checkpoint | None
    note: str = ""
    keys: Sequence[bytes] = ()

    @property
    def exit(self) -> int:
        """0 accepted, 1 shown to be altered or another history, 3 not decided."""
        return {"COSIGNED": 0, "TAMPERED": 1, "FORKED": 1}.get(self.verdict, 3)


class Answer(NamedTuple):
    """The offer as it was judged, what was remembered before, and the signature, if it was accepted."""

    offer: Offer
    before: Seen | None
    line: str | None
    verifier_key: str

    def to_json(self) -> dict[str, Any]:
        """The members of `nhictl.witness/v1`."""
        offer, before = self.offer, self.before
        return {
            "verdict": offer.verdict,
            "class": offer.kind,
            "message": offer.message,
            "remembered": _head(before.said) if before else None,
            "note": offer.note + self.line if self.line else None,
            "cosignature": self.line.rstrip("\n") if self.line else None,
            "verifier_key": self.verifier_key,
            "log": _head(offer.said) if offer.said and self.line else None,
        }


def _head(said: Checkpoint) -> dict[str, Any]:
    return {"chain": said.chain, "size": said.size, "root": base64.b64encode(said.root).decode()}


def witness(
    file: BinaryIO, source: str, folder: Path, clock: Callable[[], int], keys: Keys | None, name: str | None = None
) -> Answer:
    """Judge what is offered against what is remembered; cosign and remember it, durably, if it is accepted.

    `keys` are the log's keys that the asker pins; without them the first offer has to be a whole log and is believed as
    far as it agrees with itself. InputError (2) for what is no offer, ConflictError (5, `witness_ahead`) for a proof from
    another size than the remembered one, UnsafeError (6) for a state that is damaged.
    """
    if name is not None and not named(name):
        raise InputError(f"`{name[:64]}` is no name for a witness", code="usage", hint="such as witness.example.org/w1")
    state = WitnessState(folder)
    state.open()
    try:
        secret = os.urandom(32)
        cosigner = Cosigner(*state.key(name or f"nhictl-witness/{os.urandom(8).hex()}", secret))
        if name is not None and name != cosigner.name:
            raise ConflictError(f"this witness is called `{cosigner.name}`", code="witness_named")
        return _judged(state, cosigner, file, source, clock, keys)
    finally:
        state.close()


def _judged(
    state: WitnessState, cosigner: Cosigner, file: BinaryIO, source: str, clock: Callable[[], int], keys: Keys | None
) -> Answer:
    head = file.read(record.MAX_LINE + 1)
    if head.startswith((b"old ", b"nhictl/")):
        offered = _read(head, source)
        chain = checkpoint.parse(offered.note).chain
        before = _remembered(state, chain)
        offer = _of_request(offered, before, _pinned(keys, chain))
    else:
        chain = checkpoint.chain_id(head.partition(b"\n")[0])
        before = _remembered(state, chain)
        offer = _of_log(_again(head, file), chain, before, source, keys)
    line = None
    if offer.said is not None and offer.exit == 0:
        seconds = max(clock() // 1_000_000, before.seconds if before else 0)
        line = cosigner.cosign(offer.note, seconds)
        state.remember(offer.said.chain, {
            "schema": STATE, "log": _head(offer.said), "note": offer.note + line, "seconds": seconds,
            "keys": [checkpoint.verifier_key(offer.said.chain, key) for key in offer.keys],
        })  # fmt: skip
    return Answer(offer, before, line, cosigner.verifier_key())


def _read(data: bytes, source: str) -> request.Request:
    try:
        if len(data) > request.MAX_REQUEST:
            raise NoteError("too long")
        return request.read(data.decode("utf-8"))
    except ValueError as e:
        raise InputError(f"`{source}` is no checkpoint to witness: {e}", code="request_malformed") from e


def _pinned(keys: Keys | None, chain: str | None) -> list[bytes]:
    return [key for named_, key in keys or () if named_ in (None, chain)]


def _remembered(state: WitnessState, chain: str) -> Seen | None:
    value = state.remembered(chain)
    if value is None:
        return None
    try:
        note = value["note"]
        known = [checkpoint.parse_verifier_key(text) for text in value["keys"]]
        said = checkpoint.parse(note)
        good = said.chain == chain and all(named_ == chain for named_, _ in known) and type(value["seconds"]) is int
    except (KeyError, TypeError, ValueError, AttributeError):
        good = False
    if not good:
        raise UnsafeError(f"what the witness remembers of `{chain}` is damaged", code="witness_damaged")
    return Seen(note, said, [key for _, key in known], value["seconds"])


def _of_request(offered: request.Request, before: Seen | None, pinned: list[bytes]) -> Offer:
    said, note = checkpoint.parse(offered.note), _alone(offered.note)
    known = before.keys if before else []
    signer = next((key for key in [*known[-1:], *pinned] if checkpoint.signed_by(note, key)), None)
    if signer is None:
        if not known and not pinned:
            text = "nobody pinned the log's key: give it with --keys, or the whole exported log the first time"
            return Offer("UNKNOWN_KEY", "unknown_key", text, said)
        old = any(checkpoint.signed_by(note, key) for key in known)
        text = (
            "it is signed by a key that has been replaced"
            if old
            else "it is not signed by a key of the log that is known"
        )
        return Offer(
            "UNKNOWN_KEY" if not old else "TAMPERED", "signature", f"{text}: offer the whole log, or --keys", said
        )
    keys = known if signer in known else [*known, signer]
    size = before.said.size if before else 0
    if before and said.size < size:
        return _back(said, before)
    if before and said.size == size and said.root != before.said.root:
        return Offer("FORKED", "forked", f"the log's key has signed other records up to {size} as well", said)
    if offered.old is not None and offered.old > said.size:
        raise InputError(f"a proof from {offered.old} records to {said.size}", code="request_malformed")
    if offered.old != size and not (offered.old is None and size in (0, said.size)):
        raise ConflictError(
            f"the witness has seen {size} records", code="witness_ahead", details={"size": size},
            hint=f"prove from there: nhictl audit prove --old {size}",
        )  # fmt: skip
    if not proofs.consistent(size, said.size, before.said.root if before else b"", said.root, offered.proof):
        text = f"the proof does not lead from the {size} records that were seen to these {said.size}"
        return Offer("TAMPERED", "proof", f"{text}: it was altered, or the log is another than it was", said)
    return Offer("COSIGNED", None, f"{said.size} records, of which {size} were seen before", said, note, keys)


def _back(said: Checkpoint, before: Seen) -> Offer:
    text = f"the witness has seen {before.said.size} records, here are {said.size}: an old copy, or rolled back"
    return Offer("TAMPERED", "truncated", text, said)


def _alone(note: str) -> str:
    """The note with the log's own signature only."""
    return "\n".join(note.split("\n")[:5]) + "\n"


class _Again:
    """A pipe whose beginning was read, put before the rest."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head, self._file = BytesIO(head), file

    def seekable(self) -> bool:
        return False

    def read(self, size: int) -> bytes:
        return self._head.read(size) or self._file.read(size)


def _again(head: bytes, file: BinaryIO) -> BinaryIO:
    if not file.seekable():
        return cast("BinaryIO", _Again(head, file))
    file.seek(0)
    return file


def _of_log(file: BinaryIO, chain: str, before: Seen | None, source: str, keys: Keys | None) -> Offer:
    """A whole log: what is remembered is an anchor it has to agree with."""
    anchors = [ledger.Anchor(*before.said, "that the witness remembers")] if before else []
    read = log_file.scanned(file, {anchor.size for anchor in anchors})
    done = read.scan
    if not done.keys.keys and done.broken_at is None:
        raise InputError(f"`{source}` is neither a checkpoint nor a log of ours", code="request_malformed")
    pinned = _pinned(keys, chain) if keys is not None else before.keys if before else done.keys.keys
    named_ = next((each for each, _ in keys or () if each is not None), chain)
    found = ledger.judge(
        done, read.notes if read.complete or done.broken_at is not None else [], pinned, anchors,
        pinned_chain=named_, complete=read.complete,
    )  # fmt: skip
    said = Checkpoint(chain, found.size, found.root)
    if found.exit:
        if before and found.kind == "truncated" and said.size < before.said.size:
            return _back(said, before)
        return Offer(found.verdict, found.kind, found.message, said)
    text = f"{said.size} records, of which {before.said.size if before else 0} were seen before"
    return Offer("COSIGNED", None, text, said, _alone(read.notes[-1]), done.keys.keys)
