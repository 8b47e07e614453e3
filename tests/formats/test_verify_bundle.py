"""The bundle's own Ed25519 against cryptography and RFC 8032, and where it is stricter on purpose."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.formats.verify_bundle import P, Q, decoded, ed25519, times


def library(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


# RFC 8032 §7.1: secret key, public key, message, signature
RFC = (
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
)  # fmt: skip


@pytest.mark.parametrize(("_secret", "public", "message", "signature"), RFC)
def test_rfc_8032(_secret: str, public: str, message: str, signature: str) -> None:
    key, text, signed = (bytes.fromhex(each) for each in (public, message, signature))
    assert ed25519(key, text, signed)
    assert library(key, text, signed)


@settings(max_examples=25, deadline=None)
@given(
    st.binary(min_size=32, max_size=32), st.binary(max_size=80), st.integers(0, 64 * 8 - 1), st.integers(0, 32 * 8 - 1)
)
def test_both_say_the_same(seed: bytes, message: bytes, bit: int, key_bit: int) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert ed25519(public, message, signature)
    for left, text, right in (
        (public, message + b"x", signature),
        (public, message, flipped(signature, bit)),
        (flipped(public, key_bit), message, signature),
    ):
        assert not ed25519(left, text, right)
        assert not library(left, text, right)


def flipped(data: bytes, bit: int) -> bytes:
    made = bytearray(data)
    made[bit // 8] ^= 1 << bit % 8
    return bytes(made)


KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC, GOOD = KEY.public_key().public_bytes_raw(), KEY.sign(b"m")


def test_a_malleable_s() -> None:
    """s and s + order are the same number modulo the order; only the first is a signature."""
    s = int.from_bytes(GOOD[32:], "little")
    for more in (Q, 2 * Q, 7 * Q):
        other = GOOD[:32] + (s + more).to_bytes(32, "little")
        assert not ed25519(PUBLIC, b"m", other)
        assert not library(PUBLIC, b"m", other)
    assert not ed25519(PUBLIC, b"m", GOOD[:32] + b"\xff" * 32)


# The eight points of small order, and other encodings of them (y above the prime, a sign where x is 0).
SMALL = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]


def test_keys_of_small_order_sign_nothing() -> None:
    """Under some of them the library takes forgeries: s = 0 and R of small order verifies for one message in eight."""
    forged = 0
    for text in SMALL[:8]:
        point = decoded(bytes.fromhex(text))
        assert point is not None
        assert times(8, point)[0] == 0
    for text in SMALL:
        public = bytes.fromhex(text)
        for other in SMALL[:8]:
            signature = bytes.fromhex(other) + bytes(32)
            taken = [number for number in range(8) if library(public, b"%d" % number, signature)]
            assert not any(ed25519(public, b"%d" % number, signature) for number in taken or [0])
            forged += len(taken)
    assert forged > 0  # the control: these are forgeries


def test_only_canonical_encodings() -> None:
    assert decoded((P + 1).to_bytes(32, "little")) is None
    assert decoded(bytes.fromhex(SMALL[8])) is None
    assert decoded((2).to_bytes(32, "little")) is None  # on no curve


@pytest.mark.parametrize(
    ("public", "signature"), [(b"", GOOD), (PUBLIC[1:], GOOD), (PUBLIC, b""), (PUBLIC, GOOD + b"x")]
)
def test_other_lengths(public: bytes, signature: bytes) -> None:
    assert ed25519(PUBLIC, b"m", GOOD)
    assert not ed25519(public, b"m", signature)
