"""Merkle tree hashes of RFC 6962 §2.1, kept as a compact range: the roots of the perfect subtrees, largest first.

Appending costs one hash a level on average; the root costs one hash a subtree. No tree is ever held in memory.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(line: bytes) -> bytes:
    """Hash of a leaf, `SHA-256(0x00 ‖ line)`: RFC 6962 §2.1."""
    return sha256(b"\0" + line).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node, `SHA-256(0x01 ‖ left ‖ right)`: RFC 6962 §2.1."""
    return sha256(b"\1" + left + right).digest()


class CompactRange:
    """The append-only state of a tree: its `size` and one 32-byte hash for each bit set in it, largest subtree first."""

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: list[bytes] | None = None) -> None:
        self.size = size
        self.hashes = hashes if hashes is not None else []
        if len(self.hashes) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} subtrees, not {len(self.hashes)}")

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> CompactRange:
        """Rebuild from `to_bytes`; raise ValueError if the length does not fit the size."""
        return cls(size, [data[i : i + 32] for i in range(0, len(data), 32)])

    def to_bytes(self) -> bytes:
        """The subtree hashes, concatenated."""
        return b"".join(self.hashes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        size = self.size
        hashes = self.hashes
        while size & 1:
            leaf = sha256(b"\1" + hashes.pop() + leaf).digest()
            size >>= 1
        hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The tree hash of what was appended so far; of nothing, SHA-256 of the empty string."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = sha256(b"\1" + left + root).digest()
        return root
