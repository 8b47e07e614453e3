"""Cosignatures by a reader written from c2sp.org/tlog-cosignature alone, and the files of tlog-witness and tlog-proof."""

from __future__ import annotations

import base64
from hashlib import sha256

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from nhictl.core.ledger import checkpoint, request
from nhictl.core.ledger.checkpoint import NoteError
from nhictl.core.ledger.cosignature import Cosigner, cosigned, named
from tests.core.ledger.test_checkpoint_notes import NOTE, PUBLIC

WITNESS = Cosigner("witness.example.org/w1", b"s" * 32)
AT = 1_780_315_200
LINE = WITNESS.cosign(NOTE, AT)


def independent(note: str, vkey: str) -> int:
    """The time of a witness's cosignature: written from the specification."""
    name, key_id, packed = vkey.split("+", 2)
    key = base64.b64decode(packed, validate=True)
    assert key[0] == 4
    assert len(key) == 33
    assert sha256(name.encode() + b"\n" + key).digest()[:4].hex() == key_id
    text, _, signatures = note.rpartition("\n\n")
    for line in signatures.splitlines():
        dash, signer, signature = line.split(" ")
        raw = base64.b64decode(signature, validate=True)
        if dash == "\u2014" and signer == name and raw[:4].hex() == key_id:
            stamp = int.from_bytes(raw[4:12], "big")
            message = f"cosignature/v1\ntime {stamp}\n{text}\n"
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(raw[12:], message.encode())
            return stamp
    raise AssertionError("not cosigned")


def test_an_independent_reader_accepts_it() -> None:
    assert independent(NOTE + LINE, WITNESS.verifier_key()) == AT
    assert cosigned(NOTE + LINE, WITNESS.name, WITNESS.public) == AT
    with pytest.raises(InvalidSignature):
        independent((NOTE + LINE).replace("\n5\n", "\n6\n"), WITNESS.verifier_key())


def test_the_note_stays_the_logs() -> None:
    assert checkpoint.parse(NOTE + LINE) == checkpoint.parse(NOTE)
    assert checkpoint.signed_by(NOTE + LINE, PUBLIC)
    assert not checkpoint.signed_by(NOTE.replace(NOTE.split("\n")[4] + "\n", LINE), PUBLIC)
    other = Cosigner("w2", b"t" * 32)
    both = NOTE + LINE + other.cosign(NOTE, AT + 1)
    assert [cosigned(both, each.name, each.public) for each in (WITNESS, other)] == [AT, AT + 1]


BAD: dict[str, str] = {
    "not there": NOTE,
    "another size": (NOTE + LINE).replace("\n5\n", "\n6\n"),
    "another name": NOTE + LINE.replace("w1", "w2"),
    "another key": NOTE + Cosigner(WITNESS.name, b"t" * 32).cosign(NOTE, AT),
    "cut": NOTE + LINE[:-6] + "\n",
    "no note": LINE,
}


@pytest.mark.parametrize("name", BAD)
def test_not_cosigned(name: str) -> None:
    assert cosigned(BAD[name], WITNESS.name, WITNESS.public) is None


def test_every_bit_of_the_line_counts() -> None:
    raw = (NOTE + LINE).encode()
    for bit in range(len(NOTE.encode()) * 8, len(raw) * 8, 5):
        other = bytearray(raw)
        other[bit // 8] ^= 1 << bit % 8
        assert cosigned(other.decode("utf-8", "replace"), WITNESS.name, WITNESS.public) is None


def test_names() -> None:
    assert named("witness.example.org/w1")
    assert not any(map(named, ["", "a b", "a+b", "x" * 129, "é", "a\n"]))


HASHES = [sha256(bytes([n])).digest() for n in range(3)]
OFFER = request.add_checkpoint(3, HASHES, NOTE)


def test_there_and_back() -> None:
    assert request.read(OFFER) == request.Request(3, HASHES, NOTE)
    assert request.read(request.add_checkpoint(0, [], NOTE)) == request.Request(0, [], NOTE)
    assert request.read(NOTE) == request.Request(None, [], NOTE)


def test_a_record_s_proof_byte_for_byte() -> None:
    hashes = "".join(base64.b64encode(each).decode() + "\n" for each in HASHES)
    assert request.record_proof(4, HASHES, NOTE) == f"c2sp.org/tlog-proof@v1\nindex 4\n{hashes}\n{NOTE}"


ONE = base64.b64encode(HASHES[0]).decode()
MISSHAPEN: dict[str, str] = {
    "empty": "",
    "no number": OFFER.replace("old 3", "old"),
    "leading zero": OFFER.replace("old 3", "old 03"),
    "negative": OFFER.replace("old 3", "old -3"),
    "other digits": OFFER.replace("old 3", "old ٣"),
    "endless": OFFER.replace("old 3", "old " + "3" * 100),
    "short hash": OFFER.replace(ONE, base64.b64encode(HASHES[0][:31]).decode()),
    "no hash": OFFER.replace(ONE, "*" + ONE[1:]),
    "hash in another base64": OFFER.replace(ONE, ONE[:-2] + chr(ord(ONE[-2]) + 1) + "="),
    "spaces": OFFER.replace(ONE, " " + ONE),
    "too many": request.add_checkpoint(3, HASHES * 22, NOTE),
    "no empty line": OFFER.replace("\n\n", "\n"),
    "no checkpoint": OFFER.split("\n\n")[0] + "\n\n",
    "carriage returns": OFFER.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("name", MISSHAPEN)
def test_not_an_offer(name: str) -> None:
    with pytest.raises(NoteError):
        request.read(MISSHAPEN[name])
