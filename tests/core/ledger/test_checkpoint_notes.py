"""Checkpoints against an independent reader of C2SP signed notes, and every way a note is refused."""

from __future__ import annotations

import base64
from hashlib import sha256

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from nhictl.core.ledger import checkpoint
from nhictl.core.ledger.checkpoint import Checkpoint, NoteError

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
CHAIN = sha256(b"genesis").hexdigest()
ROOT = sha256(b"root").digest()
NOTE = checkpoint.sign(Checkpoint(CHAIN, 5, ROOT), KEY, PUBLIC)


def independent(note: str, vkey: str) -> tuple[str, int, bytes]:
    """Verify a note as c2sp.org/signed-note and c2sp.org/tlog-checkpoint say: written from the specifications alone."""
    name, key_id, key_data = vkey.split("+", 2)
    key = base64.b64decode(key_data, validate=True)
    assert key[0] == 1, "not Ed25519"
    assert sha256(name.encode() + b"\n" + key).digest()[:4].hex() == key_id
    text, gap, signatures = note.rpartition("\n\n")
    assert gap, "no blank line"
    text += "\n"
    assert signatures.endswith("\n")
    good = 0
    for line in signatures[:-1].split("\n"):
        dash, signer, packed = line.split(" ")
        assert dash == "\u2014"
        raw = base64.b64decode(packed, validate=True)
        if signer == name and raw[:4].hex() == key_id:
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(raw[4:], text.encode())
            good += 1
    assert good == 1, "not signed by that key"
    origin, size, root, *extensions = text[:-1].split("\n")
    assert origin == name
    assert not extensions
    assert str(int(size)) == size
    return origin, int(size), base64.b64decode(root, validate=True)


@given(
    st.integers(min_value=0, max_value=10**14), st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32)
)
def test_an_independent_verifier_accepts_it(size: int, root: bytes, seed: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = key.public_key().public_bytes_raw()
    note = checkpoint.sign(Checkpoint(CHAIN, size, root), key, public)
    assert independent(note, checkpoint.verifier_key(CHAIN, public)) == (f"nhictl/{CHAIN}", size, root)
    assert checkpoint.parse(note) == Checkpoint(CHAIN, size, root)
    assert checkpoint.signed_by(note, public)


def test_the_independent_verifier_can_say_no() -> None:
    with pytest.raises(InvalidSignature):
        independent(NOTE.replace("\n5\n", "\n6\n"), checkpoint.verifier_key(CHAIN, PUBLIC))
    with pytest.raises(AssertionError, match="not signed by that key"):
        independent(NOTE, checkpoint.verifier_key(CHAIN, OTHER.public_key().public_bytes_raw()))


def test_the_shape_line_by_line() -> None:
    lines = NOTE.split("\n")
    packed = base64.b64encode(ROOT).decode()
    assert lines[:4] == [f"nhictl/{CHAIN}", "5", packed, ""]
    assert lines[4].startswith(f"— nhictl/{CHAIN} ")
    assert lines[5:] == [""]


def test_chain_id_is_the_hash_of_the_genesis_line() -> None:
    assert checkpoint.chain_id(b"genesis") == CHAIN


def edited(old: str, new: str) -> str:
    assert NOTE.count(old) >= 1, old
    return NOTE.replace(old, new)


PACKED_ROOT = base64.b64encode(ROOT).decode()
SIGNATURE = NOTE.split(" ")[2].removesuffix("\n")
OTHER_CHAIN = sha256(b"other").hexdigest()


def last_bits(packed: str) -> str:
    """The same bytes in base64 whose unused bits are not zero."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    at = len(packed.rstrip("=")) - 1
    other = packed[:at] + alphabet[alphabet.index(packed[at]) + 1] + packed[at + 1 :]
    assert base64.b64decode(other, validate=True) == base64.b64decode(packed)
    return other


MISSHAPEN: dict[str, str] = {
    "empty": "",
    "one line": "nhictl/x",
    "no name": edited("nhictl/", ""),
    "another program's name": edited(f"nhictl/{CHAIN}\n", f"example/{CHAIN}\n"),
    "chain in upper case": edited(f"nhictl/{CHAIN}\n", f"nhictl/{CHAIN.upper()}\n"),
    "chain too short": edited(f"nhictl/{CHAIN}\n", f"nhictl/{CHAIN[:-1]}\n"),
    "size with a leading zero": edited("\n5\n", "\n05\n"),
    "size with a sign": edited("\n5\n", "\n+5\n"),
    "negative size": edited("\n5\n", "\n-5\n"),
    "size with a space": edited("\n5\n", "\n5 \n"),
    "no size": edited("\n5\n", "\n\n"),
    "size in other digits": edited("\n5\n", "\n٥\n"),
    "size of many digits": edited("\n5\n", "\n" + "5" * 1000 + "\n"),
    "root too short": edited(PACKED_ROOT, base64.b64encode(ROOT[:31]).decode()),
    "root too long": edited(PACKED_ROOT, base64.b64encode(ROOT + b"x").decode()),
    "root not base64": edited(PACKED_ROOT, "*" + PACKED_ROOT[1:]),
    "root without padding": edited(PACKED_ROOT, PACKED_ROOT.rstrip("=")),
    "root in another base64 of the same bytes": edited(PACKED_ROOT, last_bits(PACKED_ROOT)),
    "root with a space": edited(PACKED_ROOT, PACKED_ROOT[:4] + " " + PACKED_ROOT[4:]),
    "extension line": edited(PACKED_ROOT + "\n", PACKED_ROOT + "\nextension\n"),
    "second signature": NOTE + NOTE.split("\n")[4] + "\n",
    "no signature": NOTE.split("\n\n")[0] + "\n\n",
    "no blank line": edited("\n\n", "\n"),
    "two blank lines": edited("\n\n", "\n\n\n"),
    "hyphen instead of a dash": edited("— ", "- "),
    "no line feed at the end": NOTE[:-1],
    "line feed too many": NOTE + "\n",
    "carriage returns": edited("\n", "\r\n"),
    "too long": NOTE + "x" * 4096,
}


@pytest.mark.parametrize("name", MISSHAPEN)
def test_not_a_note_of_ours(name: str) -> None:
    assert checkpoint.parse(NOTE)
    assert checkpoint.signed_by(NOTE, PUBLIC)
    with pytest.raises(NoteError):
        checkpoint.parse(MISSHAPEN[name])
    assert not checkpoint.signed_by(MISSHAPEN[name], PUBLIC)


def test_size_nothing_is_a_size() -> None:
    note = checkpoint.sign(Checkpoint(CHAIN, 0, ROOT), KEY, PUBLIC)
    assert checkpoint.parse(note).size == 0
    assert checkpoint.signed_by(note, PUBLIC)


def signed_as(chain_in_hash: str, key: Ed25519PrivateKey, public: bytes) -> str:
    body = NOTE.split("\n\n")[0] + "\n"
    raw = checkpoint.key_hash(chain_in_hash, public) + key.sign(body.encode())
    return f"{body}\n— nhictl/{CHAIN} {base64.b64encode(raw).decode()}\n"


RAW = base64.b64decode(SIGNATURE)
FLIPPED = base64.b64encode(RAW[:-1] + bytes([RAW[-1] ^ 1])).decode()

UNSIGNED: dict[str, str] = {
    "another size": edited("\n5\n", "\n6\n"),
    "another root": edited(PACKED_ROOT, base64.b64encode(ROOT[::-1]).decode()),
    "another chain": edited(CHAIN, OTHER_CHAIN),
    "another chain in the signature line": edited(f"— nhictl/{CHAIN}", f"— nhictl/{OTHER_CHAIN}"),
    "another name in the signature line": edited(f"— nhictl/{CHAIN}", f"— example/{CHAIN}"),
    "key hash of another name": signed_as(OTHER_CHAIN, KEY, PUBLIC),
    "our key hash, another key's signature": signed_as(CHAIN, OTHER, PUBLIC),
    "another key": signed_as(CHAIN, OTHER, OTHER.public_key().public_bytes_raw()),
    "a flipped bit": edited(SIGNATURE, FLIPPED),
    "signature cut": edited(SIGNATURE, base64.b64encode(base64.b64decode(SIGNATURE)[:-1]).decode()),
    "signature too long": edited(SIGNATURE, base64.b64encode(base64.b64decode(SIGNATURE) + b"x").decode()),
    "signature in another base64 of the same bytes": edited(SIGNATURE, last_bits(SIGNATURE)),
    "signature not base64": edited(SIGNATURE, "*" + SIGNATURE[1:]),
    "signature not ASCII": edited(SIGNATURE, "é" + SIGNATURE[1:]),
    "no signature after the name": edited(" " + SIGNATURE, ""),
    "two spaces": edited(" " + SIGNATURE, "  " + SIGNATURE),
}


@pytest.mark.parametrize("name", UNSIGNED)
def test_a_note_that_the_key_did_not_sign(name: str) -> None:
    assert signed_as(CHAIN, KEY, PUBLIC) == NOTE
    assert checkpoint.parse(UNSIGNED[name])
    assert not checkpoint.signed_by(UNSIGNED[name], PUBLIC)


@given(st.integers(min_value=0, max_value=len(NOTE.encode()) * 8 - 1))
def test_no_single_bit_of_a_note_is_free(bit: int) -> None:
    other = bytearray(NOTE.encode())
    other[bit // 8] ^= 1 << bit % 8
    assert not checkpoint.signed_by(other.decode("utf-8", "replace"), PUBLIC)


@pytest.mark.parametrize("public", [b"", b"x", PUBLIC[:-1], PUBLIC + b"x"])
def test_a_key_that_is_none_signed_nothing(public: bytes) -> None:
    assert not checkpoint.signed_by(NOTE, public)


def test_the_verifier_key_goes_there_and_back() -> None:
    text = checkpoint.verifier_key(CHAIN, PUBLIC)
    name, digest, packed = text.split("+", 2)
    assert name == f"nhictl/{CHAIN}"
    assert digest == sha256(f"{name}\n".encode() + b"\x01" + PUBLIC).hexdigest()[:8]
    assert base64.b64decode(packed) == b"\x01" + PUBLIC
    assert checkpoint.parse_verifier_key(text) == (CHAIN, PUBLIC)
    assert checkpoint.parse_verifier_key(f"  {text}\r\n") == (CHAIN, PUBLIC)


VKEY = checkpoint.verifier_key(CHAIN, PUBLIC)
BAD_VKEYS: dict[str, str] = {
    "empty": "",
    "name only": f"nhictl/{CHAIN}",
    "two parts": VKEY.rpartition("+")[0],
    "hash of another key": VKEY.replace(VKEY.split("+")[1], checkpoint.key_hash(CHAIN, PUBLIC[::-1]).hex()),
    "another chain": VKEY.replace(CHAIN, OTHER_CHAIN),
    "chain that is none": "nhictl/x+" + checkpoint.key_hash("x", PUBLIC).hex() + "+" + VKEY.split("+", 2)[2],
    "name without the program": VKEY.removeprefix("nhictl/"),
    "another program's name": VKEY.replace("nhictl/", "example/"),
    "another algorithm": VKEY.replace(VKEY.split("+", 2)[2], base64.b64encode(b"\x02" + PUBLIC).decode()),
    "key too short": VKEY.replace(VKEY.split("+", 2)[2], base64.b64encode(b"\x01" + PUBLIC[1:]).decode()),
    "not base64": VKEY[:-1] + "*",
    "more after it": VKEY + "+x",
    "white space inside": VKEY[:-3] + " " + VKEY[-3:],
    "not ASCII": VKEY[:-1] + "é",
}


@pytest.mark.parametrize("name", BAD_VKEYS)
def test_not_a_verifier_key(name: str) -> None:
    assert checkpoint.parse_verifier_key(VKEY)
    with pytest.raises(NoteError):
        checkpoint.parse_verifier_key(BAD_VKEYS[name])
