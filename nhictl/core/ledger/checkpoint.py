"""Checkpoints: C2SP signed notes over the log's size and root, Ed25519, with a key that signs nothing else.

    nhictl/<chain id>
    <size>
    <root, base64>

    — nhictl/<chain id> <base64 of 4 key-hash bytes and 64 signature bytes>

Sources: c2sp.org/signed-note (key hash is the first 4 bytes of `SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key)`),
c2sp.org/tlog-checkpoint.
"""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ORIGIN: Final = "nhictl/"
_ED25519: Final = b"\x01"
_MAX_NOTE: Final = 4096
_HEX: Final = frozenset("0123456789abcdef")


class NoteError(ValueError):
    """The text is not a checkpoint of ours; the message says why."""


class Checkpoint(NamedTuple):
    """What a note says: chain id (hex), number of records, and the tree hash over them."""

    chain: str
    size: int
    root: bytes


def chain_id(genesis: bytes) -> str:
    """The log's identity: SHA-256 of its genesis line, hex. The line names the first log key, so the id pins both."""
    return sha256(genesis).hexdigest()


def key_hash(chain: str, public: bytes) -> bytes:
    """The 4 bytes by which a note says which key signed it."""
    return sha256(f"{_ORIGIN}{chain}\n".encode() + _ED25519 + public).digest()[:4]


def verifier_key(chain: str, public: bytes) -> str:
    """The key in signed-note's text form, for other people's tools: `name+hash+base64(type ‖ key)`."""
    packed = base64.b64encode(_ED25519 + public).decode()
    return f"{_ORIGIN}{chain}+{key_hash(chain, public).hex()}+{packed}"


def parse_verifier_key(text: str) -> tuple[str, bytes]:
    """Return (chain id, public key) of `verifier_key`'s form; raise NoteError if it is not one or its hash is wrong."""
    parts = text.strip().split("+", 2)
    try:
        packed = unpack(parts[2])
    except (IndexError, ValueError) as e:
        raise NoteError("not a verifier key") from e
    chain = _chain_of(parts[0])
    good = len(packed) == 33 and packed[:1] == _ED25519
    if not good or chain is None or parts[1] != key_hash(chain, packed[1:]).hex():
        raise NoteError("not a verifier key of a log of ours")
    return chain, packed[1:]


def unpack(text: str) -> bytes:
    """Base64 in its one canonical form, ValueError otherwise: a note that can be written two ways has two hashes."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("not canonical base64")
    return data


def _chain_of(name: str) -> str | None:
    chain = name.removeprefix(_ORIGIN)
    return chain if chain != name and len(chain) == 64 and set(chain) <= _HEX else None


def body(note: str) -> bytes:
    """The bytes of a parsed note that its signatures are over."""
    return _body(parse(note))


def _body(checkpoint: Checkpoint) -> bytes:
    root = base64.b64encode(checkpoint.root).decode()
    return f"{_ORIGIN}{checkpoint.chain}\n{checkpoint.size}\n{root}\n".encode()


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey, public: bytes) -> str:
    """Return the signed note."""
    body = _body(checkpoint)
    signature = base64.b64encode(key_hash(checkpoint.chain, public) + key.sign(body)).decode()
    return f"{body.decode()}\n— {_ORIGIN}{checkpoint.chain} {signature}\n"


def parse(note: str) -> Checkpoint:
    """Return what a note says, unverified; raise NoteError unless it has exactly our shape.

    The log's signature comes first; those of witnesses may follow it.
    """
    if len(note) > _MAX_NOTE:
        raise NoteError("note too long")
    lines = note.split("\n")
    if len(lines) < 6 or lines[3] or lines[-1] or not all(line.startswith("— ") for line in lines[4:-1]):
        raise NoteError("not a signed note of three lines and a signature")
    if any(line[2:].partition(" ")[0] == lines[0] for line in lines[5:-1]):
        raise NoteError("signed twice by the log")
    if not lines[0].startswith(_ORIGIN):
        raise NoteError("origin is not that of a log of ours")
    return parse_head(lines[0].removeprefix(_ORIGIN), lines[1], lines[2])


def parse_head(chain: str, size: str, root: str) -> Checkpoint:
    """Return the head that three texts name: chain id in hex, size in digits, root in canonical base64; else NoteError."""
    if _chain_of(_ORIGIN + chain) is None:
        raise NoteError("origin is not that of a log of ours")
    if not size.isascii() or not size.isdigit() or len(size) > 15 or size != str(int(size)):
        raise NoteError("size is not a number")
    try:
        raw = unpack(root)
    except ValueError as e:
        raise NoteError("root is not canonical base64") from e
    if len(raw) != 32:
        raise NoteError("root is not 32 bytes")
    return Checkpoint(chain, int(size), raw)


def hand_over(chain: str, seq: int, prev: str, old: bytes, new: bytes) -> bytes:
    """What the old log key signs to name the new one, in record `seq` after the record whose hash is `prev` (hex)."""
    keys = "".join(f"{base64.b64encode(key).decode()}\n" for key in (old, new))
    return f"nhictl-log-key/v1\n{chain}\n{seq}\n{prev}\n{keys}".encode()


def sign_raw(message: bytes, key: Ed25519PrivateKey) -> bytes:
    """Ed25519 over a message that can be taken for no checkpoint: those begin with the log's name."""
    if message.startswith(_ORIGIN.encode()):
        raise ValueError("checkpoints are signed by `sign`")
    return key.sign(message)


def signed_raw(message: bytes, signature: bytes, public: bytes) -> bool:
    """Whether `signature` is Ed25519 by `public` over these very bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (ValueError, InvalidSignature):
        return False
    return True


def signed_by(note: str, public: bytes) -> bool:
    """Whether `public` signed this note; a note that does not parse is signed by nobody."""
    try:
        checkpoint = parse(note)
        name, _, packed = note.split("\n")[4].removeprefix("— ").partition(" ")
        raw = unpack(packed)
        if name != _ORIGIN + checkpoint.chain or len(raw) != 68 or raw[:4] != key_hash(checkpoint.chain, public):
            return False
        Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], _body(checkpoint))
    except (ValueError, InvalidSignature):  # NoteError and binascii.Error are ValueErrors
        return False
    return True
