"""A few of the tree's inner nodes, kept while it grows, so that records can be proved without reading all the others.

Kept are the roots of the perfect subtrees over 16, 256, 4096 … leaves (`STEP` levels apart). They are believed by nobody:
what is worked out from them is held against the root that was signed, so that a wrong one proves nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from nhictl.core.ledger.merkle import STEP, CompactRange, node_hash, tree_hash
from nhictl.core.ledger.proofs import Range, perfect

TILE: Final = 1 << STEP
"""Leaves under one kept node of the lowest level."""

Kept = Callable[[int, int], bytes | None]


class MissingNodeError(LookupError):
    """A node that is needed is not kept, or a tile has not its leaves."""


def tiles(wanted: Sequence[int], size: int) -> list[int]:
    """The tiles, in order, whose leaves are needed to prove the leaves `wanted` in a tree of `size`: theirs and the last."""
    last = [size // TILE] if size % TILE else []
    return sorted({leaf // TILE for leaf in wanted} | set(last))


def root(size: int, leaves: Mapping[int, Sequence[bytes]], kept: Kept) -> bytes:
    """The tree hash over `size` leaves: of the tiles in `leaves` from these, of all others from kept nodes.

    `leaves` holds the leaf hashes of whole tiles (`tiles` names which), the last one's as far as they go; `kept(level,
    index)` is the root over the leaves from `index << level` on. MissingNodeError if one of them is lacking.
    """
    given = sorted(leaves)

    def node(level: int, index: int) -> bytes:
        if level < STEP:
            start = (index << level) % TILE
            return _perfect(leaves.get((index << level) // TILE, ())[start : start + (1 << level)], 1 << level)
        first = index << level - STEP
        at = bisect_left(given, first)
        if at == len(given) or given[at] >= first + (1 << level - STEP):
            if level % STEP == 0:
                found = kept(level, index)
                if found is None or len(found) != 32:
                    raise MissingNodeError(f"node {index} of level {level} is not kept")
                return found
        elif level == STEP:
            return _perfect(leaves[index], TILE)
        return node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))

    return CompactRange(size, [node(level, index) for level, index in perfect(Range(0, size))]).root()


def _perfect(hashes: Sequence[bytes], count: int) -> bytes:
    if len(hashes) != count:
        raise MissingNodeError(f"{len(hashes)} leaves where there should be {count}")
    return tree_hash(hashes)
