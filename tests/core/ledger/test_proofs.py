"""Inclusion and consistency proofs: RFC 6962's own example, an independent implementation, and every bit that is changed."""

from __future__ import annotations

import random
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.ledger import proofs
from nhictl.core.ledger.merkle import EMPTY_ROOT, BatchTree, leaf_hash
from tests.core.ledger.test_merkle import LEAVES, ROOTS, mth


def leaves(size: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(size)]


def grown(all_leaves: list[bytes], ranges: list[proofs.Range], step: int = 7) -> BatchTree:
    tree = BatchTree(proofs.nodes(ranges))
    for at in range(0, len(all_leaves), step):
        tree.grow(b"".join(all_leaves[at : at + step]))
    return tree


def prove(size: int, ranges: list[proofs.Range], step: int = 7) -> list[bytes]:
    return proofs.path(grown(leaves(size), ranges, step), ranges)


def test_the_example_of_rfc_6962_2_1_3() -> None:
    """Seven leaves a…, nodes g h i k l as drawn there."""
    names = {"a": (0, 1), "b": (1, 2), "c": (2, 3), "d": (3, 4), "e": (4, 5), "f": (5, 6), "j": (6, 7),
             "g": (0, 2), "h": (2, 4), "i": (4, 6), "k": (0, 4), "l": (4, 7)}  # fmt: skip
    of = {proofs.Range(*span): name for name, span in names.items()}

    def said(ranges: list[proofs.Range]) -> str:
        return "".join(of[part] for part in ranges)

    assert [said(proofs.inclusion(m, 7)) for m in (0, 3, 4, 6)] == ["bhl", "cgl", "fjk", "ik"]
    assert [said(proofs.consistency(m, 7)) for m in (3, 4, 6)] == ["cdgl", "l", "ijk"]


@pytest.mark.parametrize("size", range(1, 9))
def test_the_published_reference_tree(size: int) -> None:
    entries = [leaf_hash(bytes.fromhex(text)) for text in LEAVES[:size]]
    for index, leaf in enumerate(entries):
        ranges = proofs.inclusion(index, size)
        found = proofs.path(grown(entries, ranges), ranges)
        assert proofs.included(leaf, index, size, found, bytes.fromhex(ROOTS[size]))
    for old in range(1, size + 1):
        ranges = proofs.consistency(old, size)
        found = proofs.path(grown(entries, ranges), ranges)
        assert proofs.consistent(old, size, bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[size]), found)


def test_every_proof_up_to_33_leaves() -> None:
    roots = [mth([b"%d" % n for n in range(size)]) for size in range(34)]
    for size in range(1, 34):
        every = [proofs.inclusion(m, size) for m in range(size)] + [
            proofs.consistency(m, size) for m in range(size + 1)
        ]
        tree = grown(leaves(size), [part for ranges in every for part in ranges], step=1 + size % 5)
        assert tree.root() == roots[size]
        for index in range(size):
            assert proofs.included(leaves(size)[index], index, size, proofs.path(tree, every[index]), roots[size])
        for old in range(size + 1):
            found = proofs.path(tree, every[size + old])
            assert proofs.consistent(old, size, roots[old], roots[size], found), (old, size)
            for wrong in range(size + 1):
                good = wrong == old or (wrong in (0, size) and not found)
                assert proofs.consistent(wrong, size, roots[wrong], roots[size], found) == good, (old, wrong, size)


def test_an_independent_implementation_agrees() -> None:
    """pymerkle, on random trees up to 4,096 leaves: the same roots, and the same inclusion proofs hash by hash."""
    pymerkle = pytest.importorskip("pymerkle")
    chance = random.Random(6962)
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    entries: list[bytes] = []
    sizes = sorted({1, 2, 3, 4096, 4095, 2048, *(chance.randrange(1, 4097) for _ in range(12))})
    for size in sizes:
        while len(entries) < size:
            entries.append(chance.randbytes(chance.randrange(64)))
            tree.append_entry(entries[-1])
        hashes = [leaf_hash(entry) for entry in entries]
        indexes = {0, size - 1, *(chance.randrange(size) for _ in range(6))}
        olds = {1, size, *(chance.randrange(1, size + 1) for _ in range(6))}
        every = {m: proofs.inclusion(m, size) for m in indexes}
        begun = {m: proofs.consistency(m, size) for m in olds}
        ours = grown(hashes, [part for ranges in (*every.values(), *begun.values()) for part in ranges], step=1000)
        assert ours.root() == tree.get_root(size)
        for index, ranges in every.items():
            theirs = tree.prove_inclusion(index + 1, size)
            found = proofs.path(ours, ranges)
            assert theirs.path == [hashes[index], *found]
            assert proofs.included(hashes[index], index, size, theirs.path[1:], tree.get_root(size))
        for old, ranges in begun.items():
            theirs = tree.prove_consistency(old, size)
            found = proofs.path(ours, ranges)
            # its consistency proofs have another form than the RFC's: both hold between the same two roots
            pymerkle.verify_consistency(tree.get_root(old), tree.get_root(size), theirs)
            assert proofs.consistent(old, size, tree.get_root(old), tree.get_root(size), found)


@settings(max_examples=60)
@given(st.integers(1, 70), st.data())
def test_nothing_of_a_proof_is_free(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    root, before = mth([b"%d" % n for n in range(size)]), mth([b"%d" % n for n in range(old)])
    leaf = leaves(size)[index]
    found = prove(size, proofs.inclusion(index, size))
    assert proofs.included(leaf, index, size, found, root)
    assert not proofs.included(leaf, index, size, [*found, root], root)
    assert not proofs.included(leaf, index, size, found, before if before != root else EMPTY_ROOT)
    assert not proofs.included(leaf, size, size, found, root)
    if found:
        at = data.draw(st.integers(0, len(found) - 1))
        assert not proofs.included(leaf, index, size, found[:at] + found[at + 1 :], root)
        assert not proofs.included(leaf, index, size, [*found[:at], sha256(found[at]).digest(), *found[at + 1 :]], root)
    linked = prove(size, proofs.consistency(old, size))
    assert proofs.consistent(old, size, before, root, linked)
    assert not proofs.consistent(old, size, before, root, [*linked, root])
    assert not proofs.consistent(old, size, sha256(before).digest(), root, linked)
    assert not proofs.consistent(old, size, before, sha256(root).digest(), linked)
    if linked:
        at = data.draw(st.integers(0, len(linked) - 1))
        assert not proofs.consistent(old, size, before, root, linked[:at] + linked[at + 1 :])


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0)])
def test_no_such_leaf(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        proofs.inclusion(index, size)
    assert not proofs.included(b"", index, size, [], EMPTY_ROOT)


def test_backwards_is_no_beginning() -> None:
    with pytest.raises(ValueError, match="no beginning"):
        proofs.consistency(6, 5)
    assert not proofs.consistent(6, 5, ROOTS[6].encode(), ROOTS[5].encode(), [])


def test_what_was_not_kept_is_not_made_up() -> None:
    tree = grown(leaves(9), proofs.inclusion(0, 9))
    with pytest.raises(KeyError):
        proofs.path(tree, proofs.inclusion(8, 9))
