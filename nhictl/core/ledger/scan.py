"""One streaming pass over raw lines, in constant memory, without parsing what the hashes already cover.

The pass checks each line's `prev` against the hash of the line before and grows the Merkle root.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
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
    tree = CompactRange()
    hashes = tree.hashes
    roots: dict[int, bytes] = {}
    wanted = sorted({mark for mark in marks if mark >= 0}, reverse=True)
    mark = wanted.pop() if wanted else -1
    genesis: bytes | None = None
    line = b""
    expected = record.GENESIS_PREV
    size = 0
    broken = None
    for line in lines:  # the last line is part of the answer
        while mark == size:
            roots[mark] = CompactRange(size, hashes[:]).root()
            mark = wanted.pop() if wanted else -1
        if not line.endswith(b',"prev":"' + expected.encode() + b'"}'):
            broken = size
            break
        if genesis is None:
            genesis = line
        digest = sha256(b"\0" + line)
        expected = digest.hexdigest()
        leaf = digest.digest()
        count = size
        while count & 1:
            leaf = sha256(b"\1" + hashes.pop() + leaf).digest()
            count >>= 1
        hashes.append(leaf)
        size += 1
    tree.size = size
    root = tree.root()
    while mark == size:
        roots[mark] = root
        mark = wanted.pop() if wanted else -1
    return Scan(size, root, roots, genesis, broken, line)
