"""Merkle tree hashes of RFC 6962 §2.1, kept as a compact range: the roots of the perfect subtrees, largest first.

Appending costs two hashes a leaf at most; the root costs one hash a subtree. No tree is ever held in memory: what a proof
is made of (`proofs.py`) is picked out while the tree grows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from itertools import count
from struct import iter_unpack
from typing import Final

EMPTY_ROOT: Final = sha256(b"").digest()
STEP: Final = 4
"""How many levels lie between the nodes that a growing tree hands out to be kept (`kept_tree`)."""


def leaf_hash(line: bytes) -> bytes:
    """Hash of a leaf, `SHA-256(0x00 ‖ line)`: RFC 6962 §2.1."""
    return sha256(b"\0" + line).digest()


def _each(prefix: bytes) -> Callable[[Iterable[bytes]], bytes]:
    """From many pieces to their hashes `SHA-256(prefix ‖ piece)`, joined: a copied state costs less than a new one."""
    copy = sha256(prefix).copy

    def hashes(pieces: Iterable[bytes]) -> bytes:
        found = []
        for piece in pieces:
            state = copy()
            state.update(piece)
            found.append(state.digest())
        return b"".join(found)

    return hashes


leaf_hashes: Final = _each(b"\0")
"""The leaf hashes of many lines, 32 bytes each."""
_node_hashes: Final = _each(b"\1")


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

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add one leaf hash; returns the nodes (level, index, hash) it finished on every fourth level above the leaves."""
        size, level = self.size, 0
        hashes, finished = self.hashes, []
        while size & 1:
            leaf = sha256(b"\1" + hashes.pop() + leaf).digest()
            size >>= 1
            level += 1
            if level % STEP == 0:
                finished.append((level, size, leaf))
        hashes.append(leaf)
        self.size += 1
        return finished

    def root(self) -> bytes:
        """The tree hash of what was appended so far; of nothing, SHA-256 of the empty string."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = sha256(b"\1" + left + root).digest()
        return root


def tree_hash(hashes: Iterable[bytes]) -> bytes:
    """The tree hash over leaf hashes, or over the roots of perfect trees of one size: RFC 6962 §2.1."""
    tree = CompactRange()
    for each in hashes:
        tree.append(each)
    return tree.root()


class BatchTree:
    """A compact range that grows by many leaves at a time, and keeps the inner nodes that were asked for.

    A node is (level, index): the root of the perfect subtree over the leaves from `index << level` on. Grown leaf by leaf
    Python itself would cost more than the hashes; here it is one expression a level and batch.
    """

    __slots__ = ("_pending", "_wanted", "nodes", "size")

    def __init__(self, wanted: Iterable[tuple[int, int]] = ()) -> None:
        self.size = 0
        self.nodes: dict[tuple[int, int], bytes] = {}
        self._pending: list[bytes] = []
        self._wanted: dict[int, list[int]] = {}
        for level, index in sorted(wanted, reverse=True):
            self._wanted.setdefault(level, []).append(index)

    def grow(self, joined: bytes) -> None:
        """Add leaf hashes, concatenated."""
        size, self.size = self.size, self.size + len(joined) // 32
        for level in count():
            if not joined:
                return
            if level in self._wanted:
                self._pick(level, size >> level, joined)
            if level == len(self._pending):
                self._pending.append(b"")
            if self._pending[level]:
                joined = self._pending[level] + joined
            even = len(joined) & ~63
            self._pending[level] = joined[even:]
            joined = _node_hashes([pair for (pair,) in iter_unpack("64s", joined[:even])])

    def _pick(self, level: int, first: int, joined: bytes) -> None:
        wanted = self._wanted[level]
        while wanted and wanted[-1] < first + len(joined) // 32:
            at = (wanted[-1] - first) * 32
            self.nodes[level, wanted.pop()] = joined[at : at + 32]

    def root(self) -> bytes:
        """The tree hash of what was added so far."""
        return CompactRange(self.size, [each for each in reversed(self._pending) if each]).root()
