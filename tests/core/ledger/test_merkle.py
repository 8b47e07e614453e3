"""Merkle tree hashes: published reference roots, RFC 6962's recursive definition, and the same root by every way."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhictl.core.ledger.merkle import EMPTY_ROOT, CompactRange, leaf_hash, leaf_hashes, node_hash

# The reference tree of Certificate Transparency's own implementations: inputs in hex, then the root over the first n.
LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def mth(entries: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, as it is written there."""
    n = len(entries)
    if n == 0:
        return sha256(b"").digest()
    if n == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < n:
        k *= 2
    return sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


def grown(entries: list[bytes]) -> CompactRange:
    tree = CompactRange()
    for entry in entries:
        tree.append(leaf_hash(entry))
    return tree


@pytest.mark.parametrize("n", range(9))
def test_published_reference_roots(n: int) -> None:
    entries = [bytes.fromhex(text) for text in LEAVES[:n]]
    assert mth(entries).hex() == ROOTS[n]
    assert grown(entries).root().hex() == ROOTS[n]


def test_the_empty_root_and_the_two_domains() -> None:
    assert EMPTY_ROOT.hex() == ROOTS[0]
    assert leaf_hash(b"ab") == sha256(b"\0ab").digest()
    assert node_hash(b"a", b"b") == sha256(b"\1ab").digest()
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != node_hash(left, right)


def test_every_size_up_to_300() -> None:
    entries = [b"%d" % i for i in range(300)]
    tree = CompactRange()
    for n in range(301):
        assert tree.size == n
        assert tree.root() == mth(entries[:n]), n
        assert tree.hashes == _subtrees(entries[:n]), n
        if n < 300:
            tree.append(leaf_hash(entries[n]))


def _subtrees(entries: list[bytes]) -> list[bytes]:
    """The perfect subtrees, largest first, each from scratch."""
    found, start = [], 0
    for bit in reversed(range(len(entries).bit_length())):
        if len(entries) >> bit & 1:
            found.append(mth(entries[start : start + (1 << bit)]))
            start += 1 << bit
    return found


@pytest.mark.parametrize("n", [1, 2, 5, 6, 7, 8, 9, 16, 17, 31, 32, 33])
@pytest.mark.parametrize("stored_every", [1, 2, 3])
def test_growing_over_many_commits_is_the_same_as_from_scratch(n: int, stored_every: int) -> None:
    entries = [bytes([i]) * i for i in range(n)]
    tree = CompactRange()
    for i, entry in enumerate(entries):
        tree.append(leaf_hash(entry))
        if i % stored_every == 0:
            tree = CompactRange.from_bytes(tree.size, tree.to_bytes())
    assert (tree.size, tree.root()) == (n, mth(entries))


@given(st.lists(st.binary(max_size=8), max_size=70), st.integers(min_value=0, max_value=70))
def test_any_entries_split_anywhere(entries: list[bytes], at: int) -> None:
    first = grown(entries[:at])
    rest = CompactRange.from_bytes(first.size, first.to_bytes())
    for entry in entries[at:]:
        rest.append(leaf_hash(entry))
    assert rest.root() == mth(entries)
    assert first.root() == mth(entries[:at])  # taking a root changes nothing
    assert len(rest.to_bytes()) == 32 * len(entries).bit_count()


@given(st.lists(st.binary(max_size=3), min_size=1, max_size=40), st.data())
def test_every_entry_counts(entries: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(min_value=0, max_value=len(entries) - 1))
    other = [*entries[:at], entries[at] + b"x", *entries[at + 1 :]]
    assert grown(other).root() != grown(entries).root()
    assert grown([*entries, b""]).root() != grown(entries).root()


@pytest.mark.parametrize(("size", "data"), [(1, b""), (0, b"x" * 32), (3, b"x" * 32), (2, b"x" * 64)])
def test_stored_state_that_does_not_fit_its_size_is_refused(size: int, data: bytes) -> None:
    assert CompactRange.from_bytes(3, b"x" * 64).size == 3
    with pytest.raises(ValueError, match="subtrees"):
        CompactRange.from_bytes(size, data)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_many_leaves_hash_as_each_does(lines: list[bytes]) -> None:
    assert leaf_hashes(lines) == b"".join(map(leaf_hash, lines))
