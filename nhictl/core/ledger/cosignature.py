"""A witness's signature under somebody else's checkpoint: C2SP tlog-cosignature, Ed25519 (`cosignature/v1`).

    — <name> <base64 of 4 key-hash bytes, 8 bytes of POSIX seconds, 64 signature bytes>

It says that at that time this was the largest tree the witness had seen of this log, and that every one it saw before is
the beginning of it. Source: c2sp.org/tlog-cosignature (key hash: first 4 bytes of `SHA-256(name ‖ 0x0A ‖ 0x04 ‖ key)`).
"""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from nhictl.core.ledger import checkpoint

_KIND: Final = b"\x04"


def named(name: str) -> bool:
    """Whether a witness can be called that: signed-note allows no spaces and no plus, we no more than 128 of ASCII."""
    return 0 < len(name) <= 128 and name.isascii() and name.isprintable() and not set(name) & set(" +")


def _message(note: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n".encode() + checkpoint.body(note)


def key_hash(name: str, public: bytes) -> bytes:
    """The 4 bytes by which a note says which key cosigned it."""
    return sha256(f"{name}\n".encode() + _KIND + public).digest()[:4]


class Cosigner:
    """A witness's key: 32 secret bytes under a name."""

    __slots__ = ("_key", "name", "public")

    def __init__(self, name: str, secret: bytes) -> None:
        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        self.public = self._key.public_key().public_bytes_raw()

    def verifier_key(self) -> str:
        """What others pin it by: `name+hash+base64(type ‖ key)`."""
        packed = base64.b64encode(_KIND + self.public).decode()
        return f"{self.name}+{key_hash(self.name, self.public).hex()}+{packed}"

    def cosign(self, note: str, seconds: int) -> str:
        """The signature line for a checkpoint, with its line feed; NoteError if the note is none of ours."""
        signature = seconds.to_bytes(8, "big") + self._key.sign(_message(note, seconds))
        packed = base64.b64encode(key_hash(self.name, self.public) + signature).decode()
        return f"— {self.name} {packed}\n"


def cosigned(note: str, name: str, public: bytes) -> int | None:
    """When (POSIX seconds) that witness cosigned the note; None if it did not. Of several lines the first good one counts."""
    try:
        lines = note.split("\n")[4:-1]
        checkpoint.parse(note)
        for line in lines:
            signer, _, packed = line.removeprefix("— ").partition(" ")
            raw = checkpoint.unpack(packed)
            if signer != name or raw[:4] != key_hash(name, public) or len(raw) != 76:
                continue
            seconds = int.from_bytes(raw[4:12], "big")
            Ed25519PublicKey.from_public_bytes(public).verify(raw[12:], _message(note, seconds))
            return seconds
    except (ValueError, InvalidSignature):
        pass
    return None
