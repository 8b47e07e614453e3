"""The root worked out from a few tiles of leaves and kept nodes is the root of all leaves, or shows that it is not."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhictl.core.ledger import kept_tree
from nhictl.core.ledger.kept_tree import TILE, MissingNodeError
from nhictl.core.ledger.merkle import CompactRange


def leaf(number: int) -> bytes:
    return sha256(number.to_bytes(8)).digest()


def grown(size: int) -> tuple[CompactRange, dict[tuple[int, int], bytes]]:
    tree, nodes = CompactRange(), {}
    for number in range(size):
        for level, index, found in tree.append(leaf(number)):
            nodes[level, index] = found
    return tree, nodes


def given_leaves(wanted: list[int], size: int) -> dict[int, list[bytes]]:
    return {
        tile: [leaf(number) for number in range(tile * TILE, min(size, (tile + 1) * TILE))]
        for tile in kept_tree.tiles(wanted, size)
    }


CASES = st.integers(1, 5000).flatmap(
    lambda size: st.tuples(st.just(size), st.lists(st.integers(0, size - 1), min_size=1, max_size=5))
)


@given(CASES)
def test_the_root_of_all_leaves(case: tuple[int, list[int]]) -> None:
    size, wanted = case
    tree, nodes = grown(size)
    used: list[tuple[int, int]] = []

    def kept(level: int, index: int) -> bytes | None:
        used.append((level, index))
        return nodes.get((level, index))

    assert kept_tree.root(size, given_leaves(wanted, size), kept) == tree.root()
    assert len(used) <= (len(wanted) + 2) * 60


@given(CASES, st.data())
def test_another_leaf_or_node_gives_another_root(case: tuple[int, list[int]], data: st.DataObject) -> None:
    size, wanted = case
    tree, nodes = grown(size)
    leaves = given_leaves(wanted, size)
    number = data.draw(st.sampled_from(wanted))
    used: list[tuple[int, int]] = []

    def kept(level: int, index: int) -> bytes | None:
        used.append((level, index))
        return nodes.get((level, index))

    kept_tree.root(size, leaves, kept)
    for place in used[:3]:
        assert (
            kept_tree.root(size, leaves, lambda *at, place=place: b"x" * 32 if at == place else nodes[at])
            != tree.root()
        )
    leaves[number // TILE][number % TILE] = leaf(number + size)
    assert kept_tree.root(size, leaves, lambda *at: nodes.get(at)) != tree.root()


def test_what_is_lacking_is_never_made_up() -> None:
    _, nodes = grown(300)
    leaves = given_leaves([5], 300)
    with pytest.raises(MissingNodeError):
        kept_tree.root(300, leaves, lambda level, index: None if index == 3 else nodes.get((level, index)))
    with pytest.raises(MissingNodeError):
        kept_tree.root(300, {**leaves, 0: leaves[0][:-1]}, lambda *at: nodes.get(at))
    with pytest.raises(MissingNodeError):  # the last tile has to be there
        kept_tree.root(300, {0: leaves[0]}, lambda *at: nodes.get(at))


def test_nodes_are_kept_on_every_fourth_level() -> None:
    _, nodes = grown(4096)
    assert sorted(nodes) == [*((4, n) for n in range(256)), *((8, n) for n in range(16)), (12, 0)]
