"""One streaming pass over raw lines, in constant memory, without parsing what the hashes already cover.

The pass checks each line's `prev` against the hash of the line before and grows the Merkle root.
"""

from __future__ import annotations

from binascii import hexlify
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import islice
from typing import NamedTuple

from nhictl.core.ledger import record
from nhictl.core.ledger.merkle import CompactRange


class Scan(NamedTuple):
    """One pass over a log: records that link up, the tree over them, roots at the sizes asked for, and where it broke."""

    size: int
    root: bytes
    roots: dict[int, bytes]
    genesis: bytes | None
    broken_at: int | None
    last: bytes


def scan(lines: Iterable[bytes], marks: Iterable[int] = ()) -> Scan:
    """Walk `lines` (without line feeds) until one does not link to the one before; note the root at each size in `marks`.

    Constant memory. Raises nothing for bad input: the position of the first line that does not link is `broken_at`.
    """
    rest = iter(lines)
    roots: dict[int, bytes] = {}
    walk = _Walk()
    for mark in sorted({mark for mark in marks if mark >= 0}):
        walk.go(islice(rest, mark - walk.size))
        if walk.broken is not None or walk.size < mark:
            break
        roots[mark] = CompactRange(mark, walk.hashes[:]).root()
    walk.go(rest)
    root = CompactRange(walk.size, walk.hashes).root()
    return Scan(walk.size, root, roots, walk.genesis, walk.broken, walk.last)


class _Walk:
    """The state of one pass: what `go` leaves is where the next one goes on."""

    __slots__ = ("broken", "genesis", "hashes", "last", "size", "suffix")

    def __init__(self) -> None:
        self.size = 0
        self.hashes: list[bytes] = []
        self.suffix = b',"prev":"' + record.GENESIS_PREV.encode() + b'"}'
        self.genesis: bytes | None = None
        self.broken: int | None = None
        self.last = b""

    def go(self, lines: Iterator[bytes]) -> None:
        """Take lines until they end or one does not link. Plain and flat: this loop is what verifying costs."""
        if self.broken is not None:
            return
        size, hashes, suffix, line = self.size, self.hashes, self.suffix, self.last
        for line in lines:  # the last line is part of the answer
            if not line.endswith(suffix):
                self.broken = size
                break
            leaf = sha256(b"\0" + line).digest()
            suffix = b',"prev":"' + hexlify(leaf) + b'"}'
            if size & 1:
                leaf = sha256(b"\1" + hashes.pop() + leaf).digest()
                count = size >> 1
                while count & 1:
                    leaf = sha256(b"\1" + hashes.pop() + leaf).digest()
                    count >>= 1
            elif not size:
                self.genesis = line
            hashes.append(leaf)
            size += 1
        self.size, self.suffix, self.last = size, suffix, line
