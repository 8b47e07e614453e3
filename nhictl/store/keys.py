"""Key custody: private keys and content lie in the database only as AES-256-GCM boxes under a key-encryption key.

A box is `nonce (12 bytes) ‖ ciphertext ‖ tag`, NIST SP 800-38D, with a random nonce and the place it belongs to as
associated data, so that no box opens anywhere else. The key-encryption key is what the home's file `kek` says: the key
itself in hex, or a custody (`store/custody.py`) that holds it wrapped under a secret kept elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from nhictl.errors import UnsafeError
from nhictl.store import files

if TYPE_CHECKING:
    from nhictl.store.passphrase import Source

KEK_FILE = "kek"
MAX_KEK_FILE: Final = 16384


class Sealer:
    """Seals and opens boxes under one 32-byte key; opens those under `before` too, while a change of key is unfinished."""

    __slots__ = ("_aead", "_before")

    def __init__(self, key: bytes, before: bytes | None = None) -> None:
        self._aead = AESGCM(key)
        self._before = AESGCM(before) if before is not None else None

    def seal(self, content: bytes, place: str, nonce: bytes) -> bytes:
        """Return the box of `content` for `place`; `nonce` is 12 fresh random bytes."""
        return nonce + self._aead.encrypt(nonce, content, place.encode())

    def open(self, box: bytes, place: str) -> bytes:
        """Return what `seal` was given; UnsafeError if key, place or box is another (exit 6)."""
        try:
            return self._aead.decrypt(box[:12], box[12:], place.encode())
        except (InvalidTag, ValueError) as e:
            if self._before is not None:
                try:
                    return self._before.decrypt(box[:12], box[12:], place.encode())
                except (InvalidTag, ValueError):
                    pass
            raise UnsafeError(
                f"a sealed {place.partition(':')[0]} does not open: another key-encryption key, or it was altered",
                code="seal_broken",
            ) from e


class Keys(NamedTuple):
    """The key-encryption key, and the one before it while boxes may still be sealed under that."""

    key: bytes
    before: bytes | None = None

    def sealer(self) -> Sealer:
        """What seals and opens with them."""
        return Sealer(self.key, self.before)


def in_hex(keys: Keys) -> bytes:
    """The content of the file when it holds the key itself: a line of hex for each key."""
    return b"".join(key.hex().encode() + b"\n" for key in keys if key is not None)


def stamp(home: Path) -> tuple[int, ...] | None:
    """What tells one file `kek` from the one that replaces it; None if it cannot be looked at."""
    try:
        info = os.lstat(f"{home}/{KEK_FILE}")  # without making a path of it: asked at every act
    except OSError:
        return None
    return info.st_ino, info.st_mtime_ns, info.st_ctime_ns, info.st_size


def read(home: Path) -> bytes:
    """The content of the home's file `kek`; UnsafeError if it is missing or loose."""
    return files.read_secret(home / KEK_FILE, MAX_KEK_FILE + 1)


def load(home: Path, passphrase: Source | None = None, content: bytes | None = None) -> Keys:
    """Open the home's key-encryption key; UnsafeError (6) if the file is missing, loose, altered or another one's.

    A custody may ask at the terminal, derive for half a second or run a program: never call this under the writers'
    lock. UnavailableError (7) if what keeps the secret cannot be asked.
    """
    content = read(home) if content is None else content
    path = home / KEK_FILE
    if content.startswith(b"{"):
        from nhictl.store import custody

        return custody.unlock(path, content, passphrase)
    try:
        found = [bytes.fromhex(line.decode("ascii")) for line in content.strip().split(b"\n")]
    except ValueError:
        found = []
    if not 1 <= len(found) <= 2 or any(len(key) != 32 for key in found):
        raise UnsafeError(f"`{path}` does not hold a key of 32 bytes in hex")
    return Keys(*found)
