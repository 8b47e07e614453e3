"""Inclusion and consistency proofs of RFC 6962 §2.1.1 and §2.1.2, checked as RFC 9162 §2.1.3.2 and §2.1.4.2 say.

A proof is a list of tree hashes over ranges of leaves. Making one is naming the ranges, and the perfect subtrees they fall
into (`nodes`), letting a `BatchTree` grow that keeps those, and reading them off (`path`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nhictl.core.ledger.merkle import EMPTY_ROOT, BatchTree, node_hash


class Range(NamedTuple):
    """Leaves from `start` up to, without, `end`."""

    start: int
    end: int


def _split(start: int, end: int) -> int:
    """Where a tree over a range divides: the largest power of two of leaves, less than all, stands left."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def inclusion(index: int, size: int) -> list[Range]:
    """What proves that leaf `index` is in the tree of `size` leaves, from the leaf up; ValueError if it is not in it."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    found: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = _split(start, end)
        if index < middle:
            found.append(Range(middle, end))
            end = middle
        else:
            found.append(Range(start, middle))
            start = middle
    return found[::-1]


def consistency(old: int, new: int) -> list[Range]:
    """What proves that the tree of `old` leaves is the beginning of that of `new`; nothing where either says so itself."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {old} leaves is no beginning of one of {new}")
    if old in (0, new):
        return []
    found: list[Range] = []
    start, end = 0, new
    while end != old:
        middle = _split(start, end)
        if old <= middle:
            found.append(Range(middle, end))
            end = middle
        else:
            found.append(Range(start, middle))
            start = middle
    if start:  # else it is the old root, which the asker has
        found.append(Range(start, end))
    return found[::-1]


def perfect(part: Range) -> list[tuple[int, int]]:
    """The perfect subtrees, (level, index), that a range which begins at one's beginning falls into, left to right."""
    found, start = [], part.start
    for level in range((part.end - part.start).bit_length() - 1, -1, -1):
        if part.end - start >> level:
            found.append((level, start >> level))
            start += 1 << level
    return found


def nodes(ranges: Iterable[Range]) -> set[tuple[int, int]]:
    """The inner nodes that have to be kept while the tree grows."""
    return {node for part in ranges for node in perfect(part)}


def path(tree: BatchTree, ranges: Iterable[Range]) -> list[bytes]:
    """The proof over `ranges`; KeyError if the tree was not told to keep their nodes, or has not grown so far."""
    found = []
    for part in ranges:
        *rest, last = (tree.nodes[node] for node in perfect(part))
        for left in reversed(rest):
            last = node_hash(left, last)
        found.append(last)
    return found


def included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows that `leaf` (its hash) is number `index` in the tree of `size` leaves: RFC 9162 §2.1.3.2."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for each in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(each, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, each)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def consistent(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree `old_root` is the beginning of `new_root`: RFC 9162 §2.1.4.2.

    An empty tree is the beginning of every tree, without proof.
    """
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        return not proof and (old_root == new_root if old else new > 0 or new_root == EMPTY_ROOT)
    steps = list(proof) if old & (old - 1) else [old_root, *proof]
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    if not steps:
        return False
    before = after = steps[0]
    for each in steps[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            before, after = node_hash(each, before), node_hash(each, after)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            after = node_hash(after, each)
        at, last = at >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root
