"""Key custody: private keys and content lie in the database only as AES-256-GCM boxes under a key-encryption key.

A box is `nonce (12 bytes) ‖ ciphertext ‖ tag`, NIST SP 800-38D, with a random nonce and the place it belongs to as
associated data, so that no box opens anywhere else. The key-encryption key comes from a 0600 file in the home.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from nhictl.errors import UnsafeError
from nhictl.store import files

KEK_FILE = "kek"


class Sealer:
    """Seals and opens boxes under one 32-byte key."""

    __slots__ = ("_aead",)

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, content: bytes, place: str, nonce: bytes) -> bytes:
        """Return the box of `content` for `place`; `nonce` is 12 fresh random bytes."""
        return nonce + self._aead.encrypt(nonce, content, place.encode())

    def open(self, box: bytes, place: str) -> bytes:
        """Return what `seal` was given; UnsafeError if key, place or box is another (exit 6)."""
        try:
            return self._aead.decrypt(box[:12], box[12:], place.encode())
        except (InvalidTag, ValueError) as e:
            raise UnsafeError(
                f"a sealed {place.partition(':')[0]} does not open: another key-encryption key, or it was altered",
                code="seal_broken",
            ) from e


def create_kek(home: Path) -> Sealer:
    """Make the home's key-encryption key, 32 random bytes in a 0600 file; FileExistsError if there is one."""
    key = os.urandom(32)
    files.write_new(home / KEK_FILE, key.hex().encode() + b"\n")
    return Sealer(key)


def load_kek(home: Path) -> Sealer:
    """Read the home's key-encryption key; UnsafeError if its file is missing, loose or not what we wrote."""
    text = files.read_secret(home / KEK_FILE, 128).strip()
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != 32:
        raise UnsafeError(f"`{home / KEK_FILE}` does not hold a key of 32 bytes in hex")
    return Sealer(key)
