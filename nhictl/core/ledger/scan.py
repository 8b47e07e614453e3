"""One streaming pass over raw lines, in constant memory, without parsing what the hashes already cover.

The pass checks each line's `prev` against the hash of the line before, grows the Merkle root, and follows the records
that name the log's keys. Lines come in batches, and what is done to each is one expression a batch: called line by line,
Python itself would cost more than the hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from nhictl.core.ledger import record
from nhictl.core.ledger.log_keys import ROTATED, TYPE_AT, LogKeys
from nhictl.core.ledger.merkle import BatchTree, leaf_hashes

_BEFORE: Final = b',"prev":"'
_AFTER: Final = b'"}'
_TAIL: Final = len(_BEFORE) + 64 + len(_AFTER)
_tail_of: Final = itemgetter(slice(-_TAIL, None))
LETTER: Final = 4
_letter_of: Final = itemgetter(TYPE_AT.start + LETTER)
"""One letter of a record's type, which is had at less than half the price: that of `ROTATED` is in no other type."""


class Scan(NamedTuple):
    """One pass over a log: records that link up, the tree over them, roots at the sizes asked for, and where it broke.

    `last` is the line that broke the chain, else the last record; `before` the record before a break.
    """

    size: int
    root: bytes
    roots: dict[int, bytes]
    genesis: bytes | None
    broken_at: int | None
    last: bytes
    keys: LogKeys
    before: bytes = b""


class Leaves:
    """A batch of records of which only the leaf hashes are known, 32 bytes each: they count, but nothing is read of them."""

    __slots__ = ("hashes",)

    def __init__(self, hashes: bytes) -> None:
        self.hashes = hashes

    def __len__(self) -> int:
        return len(self.hashes) // 32

    def __getitem__(self, part: slice) -> Leaves:
        start, end, _ = part.indices(len(self))
        return Leaves(self.hashes[start * 32 : end * 32])


def scan(
    batches: Iterable[Sequence[bytes] | Leaves], marks: Iterable[int] = (), leaves: Callable[[bytes], object] | None = None,
    tree: BatchTree | None = None,
) -> Scan:  # fmt: skip
    """Walk lines (without line feeds) until one does not link to the one before; note the root at each size in `marks`.

    `leaves` is given the leaf hashes of every batch, 32 bytes each, for who has to ask about sizes afterwards
    (`roots_of`); `tree` is one that picks out what proofs are made of. Memory is that of one batch. Raises nothing for bad
    input: the position of the first line that does not link is `broken_at`.
    """
    walk, roots = _Walk(leaves, tree or BatchTree()), {}
    wanted = sorted({mark for mark in marks if mark >= 0}, reverse=True)
    for batch in batches:
        start = 0
        while wanted and wanted[-1] <= walk.size + len(batch) - start:
            end = start + wanted[-1] - walk.size
            walk.take(batch[start:end])
            start = end
            if walk.broken is not None:
                break
            roots[wanted.pop()] = walk.root()
        if walk.broken is None:
            walk.take(batch[start:] if start else batch)
        if walk.broken is not None:
            break
    else:
        if wanted and wanted[-1] == walk.size:
            roots[walk.size] = walk.root()
    return Scan(walk.size, walk.root(), roots, walk.genesis, walk.broken, walk.last, walk.keys, walk.before)


def roots_of(blocks: Iterable[bytes], marks: Iterable[int]) -> dict[int, bytes]:
    """The roots at the sizes in `marks`, from what `leaves` was given, in blocks of whole hashes."""
    roots, tree, size = {}, BatchTree(), 0
    wanted = sorted({mark for mark in marks if mark >= 0}, reverse=True)
    for block in blocks:
        start = 0
        while wanted and wanted[-1] * 32 <= size + len(block):
            end = wanted[-1] * 32 - size
            tree.grow(block[start:end])
            start = end
            roots[wanted.pop()] = tree.root()
        if not wanted:
            break
        tree.grow(block[start:])
        size += len(block)
    return roots


class _Walk:
    """The state of one pass: what `take` leaves is where the next batch goes on."""

    __slots__ = ("_leaves", "before", "broken", "genesis", "keys", "last", "prev", "root", "size", "tree")

    def __init__(self, leaves: Callable[[bytes], object] | None, tree: BatchTree) -> None:
        self._leaves = leaves
        self.size = 0
        self.tree = tree
        self.root = self.tree.root
        self.keys = LogKeys()
        self.prev = record.GENESIS_PREV
        self.genesis: bytes | None = None
        self.broken: int | None = None
        self.last = self.before = b""

    def take(self, lines: Sequence[bytes] | Leaves) -> None:
        """Take lines up to the first that does not link; of leaf hashes alone the next line has to link to the last."""
        if not lines:
            return
        if isinstance(lines, Leaves):
            if not self.size:
                self.keys.fault = (0, "the first record, which names the log's key, is not here")
            self._grow(lines.hashes, len(lines))
            return
        leaves = leaf_hashes(lines)
        tails = b"".join(map(_tail_of, lines))
        due = _due(self.prev, leaves)
        if tails != due:  # as long as `due` only if no line is shorter than its own part of it
            at = next(
                i for i, line in enumerate(lines) if line[-_TAIL:] != due[i * _TAIL : (i + 1) * _TAIL]
            )  # fmt: skip
            self.take(lines[:at])
            self.broken, self.before, self.last = self.size, self.last, lines[at]
            return
        if not self.size:
            self.genesis = lines[0]
            self.keys.begin(lines[0])
        if ROTATED[LETTER] in map(_letter_of, lines):
            for seq, line in enumerate(lines, self.size):
                if line[TYPE_AT] == ROTATED:
                    self.keys.follow(seq, line)
        self._grow(leaves, len(lines))
        self.last = lines[-1]

    def _grow(self, leaves: bytes, count: int) -> None:
        self.tree.grow(leaves)
        if self._leaves is not None:
            self._leaves(leaves)
        self.prev = leaves[-32:].hex()
        self.size += count


def _due(prev: str, leaves: bytes) -> bytes:
    """How the lines with these leaf hashes have to end, one after the other."""
    links = f"{prev}|{leaves[:-32].hex('|', 32)}" if len(leaves) > 32 else prev
    return _BEFORE + links.encode().replace(b"|", _AFTER + _BEFORE) + _AFTER
