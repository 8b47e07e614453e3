"""ES256 against an independent RFC 6979, published vectors, and keys that must not be used."""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.token import b64, jws

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
RFC_6979_KEY = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
RFC_6979 = [  # A.2.5, SHA-256
    (b"sample", "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
     "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"),
    (b"test", "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367",
     "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083"),
]  # fmt: skip
PRIVATE = jws.private_from_bytes(RFC_6979_KEY.to_bytes(32, "big"))
PUBLIC = jws.public_jwk(PRIVATE)


def rfc_6979(message: bytes, secret: int) -> tuple[int, int]:
    """(r, s) as the RFC derives them, by its own text: §3.2 and §2.4."""
    digest = sha256(message).digest()
    seed = secret.to_bytes(32, "big") + (int.from_bytes(digest, "big") % ORDER).to_bytes(32, "big")
    k, v = bytes(32), b"\x01" * 32
    for mark in (b"\0", b"\x01"):
        k = hmac.digest(k, v + mark + seed, "sha256")
        v = hmac.digest(k, v, "sha256")
    while True:
        v = hmac.digest(k, v, "sha256")
        nonce = int.from_bytes(v, "big")
        if 0 < nonce < ORDER:
            r = ec.derive_private_key(nonce, ec.SECP256R1()).public_key().public_numbers().x % ORDER
            s = pow(nonce, -1, ORDER) * (int.from_bytes(digest, "big") + r * secret) % ORDER
            return r, s
        k = hmac.digest(k, v + b"\0", "sha256")
        v = hmac.digest(k, v, "sha256")


@pytest.mark.parametrize(("message", "r", "s"), RFC_6979)
def test_published_signatures(message: bytes, r: str, s: str) -> None:
    assert rfc_6979(message, RFC_6979_KEY) == (int(r, 16), int(s, 16)), "the oracle itself"
    public = jws.load_public(PUBLIC)
    assert jws.verify(message, bytes.fromhex(r + s), public)
    assert not jws.verify(message + b" ", bytes.fromhex(r + s), public)
    assert not jws.verify(message, bytes.fromhex(s + r), public)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(1, ORDER - 1), st.binary(max_size=60))
def test_signatures_are_deterministic_and_those_of_the_rfc(secret: int, payload: bytes) -> None:
    private = jws.private_from_bytes(secret.to_bytes(32, "big"))
    made = jws.sign({"alg": "ES256"}, payload, private)
    assert made == jws.sign({"alg": "ES256"}, payload, private)
    signed, _, signature = made.rpartition(".")
    head, _, body = signed.partition(".")
    assert (b64.decode(head), b64.decode(body)) == (b'{"alg":"ES256"}', payload)
    r, s = rfc_6979(signed.encode(), secret)
    assert b64.decode(signature) == r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert jws.verify(signed.encode(), b64.decode(signature), jws.load_public(jws.public_jwk(private)))


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.binary(max_size=70))
def test_no_other_bytes_are_a_signature(signature: bytes) -> None:
    assert not jws.verify(b"sample", signature, jws.load_public(PUBLIC))


OUT_OF_RANGE = [(0, 1), (1, 0), (0, 0), (ORDER, 1), (1, ORDER), (ORDER + 1, ORDER + 1), (2**256 - 1, 2**256 - 1)]


@pytest.mark.parametrize(("r", "s"), OUT_OF_RANGE)
def test_r_and_s_lie_between_0_and_n(r: int, s: int) -> None:
    assert not jws.verify(b"sample", r.to_bytes(32, "big") + s.to_bytes(32, "big"), jws.load_public(PUBLIC))


def test_thumbprint_is_over_the_required_members_in_their_order() -> None:
    text = '{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}' % (PUBLIC["x"], PUBLIC["y"])  # noqa: UP031
    wanted = b64.encode(sha256(text.encode()).digest())
    assert jws.thumbprint(PUBLIC) == jws.thumbprint({"kid": "x", "use": "sig", **PUBLIC}) == wanted
    okp = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert jws.thumbprint(okp) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "RFC 8037 A.3"


@pytest.mark.parametrize("jwk", [{}, {"kty": "oct", "k": "AA"}, {"kty": "EC"}, {**PUBLIC, "x": 5}, {"kty": ["EC"]}])
def test_what_has_no_thumbprint(jwk: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="thumbprint"):
        jws.thumbprint(jwk)


_POINT = b64.decode(PUBLIC["x"]) + b64.decode(PUBLIC["y"])
GOOD: list[dict[str, Any]] = [
    {}, {"use": "sig"}, {"alg": "ES256"}, {"key_ops": ["verify"]}, {"key_ops": ["sign", "verify"]}, {"kid": "x"}, {"more": 1},
]  # fmt: skip
BAD: list[tuple[dict[str, Any], str]] = [
    ({"d": "AA"}, "key_private"), ({"d": None}, "key_private"), ({"k": "AA"}, "key_private"),
    ({"kty": "RSA"}, "key_alg_mismatch"), ({"kty": "OKP"}, "key_alg_mismatch"), ({"kty": None}, "key_alg_mismatch"),
    ({"crv": "P-384"}, "key_alg_mismatch"), ({"crv": "p-256"}, "key_alg_mismatch"), ({"crv": []}, "key_alg_mismatch"),
    ({"alg": "HS256"}, "key_alg_mismatch"), ({"alg": "none"}, "key_alg_mismatch"), ({"alg": None}, "key_alg_mismatch"),
    ({"use": "enc"}, "key_use_mismatch"), ({"use": None}, "key_use_mismatch"), ({"use": {}}, "key_use_mismatch"),
    ({"key_ops": ["sign"]}, "key_use_mismatch"), ({"key_ops": []}, "key_use_mismatch"),
    ({"key_ops": "verify"}, "key_use_mismatch"), ({"key_ops": 5}, "key_use_mismatch"),
    ({"key_ops": None}, "key_use_mismatch"), ({"key_ops": {"verify": True}}, "key_use_mismatch"),
    ({"x": PUBLIC["y"]}, "key_alg_mismatch"), ({"x": ""}, "key_alg_mismatch"), ({"x": PUBLIC["x"] + "="}, "key_alg_mismatch"),
    ({"x": "AA" + PUBLIC["x"]}, "key_alg_mismatch"), ({"y": None}, "key_alg_mismatch"), ({"y": [1]}, "key_alg_mismatch"),
    ({"y": {}}, "key_alg_mismatch"), ({"y": 1.5}, "key_alg_mismatch"), ({"x": "A" * 43, "y": "A" * 43}, "key_alg_mismatch"),
    ({"x": b64.encode(b"\xff" * 32)}, "key_alg_mismatch"),
    ({"x": b64.encode(_POINT[:31]), "y": b64.encode(_POINT[31:])}, "key_alg_mismatch"),  # the same bytes, cut elsewhere
]  # fmt: skip


@pytest.mark.parametrize("more", GOOD, ids=json.dumps)
def test_keys_that_verify(more: dict[str, Any]) -> None:
    assert jws.public_jwk(jws.load_public(PUBLIC | more)) == PUBLIC


@pytest.mark.parametrize(("more", "reason"), BAD, ids=[json.dumps(row[0])[:40] for row in BAD])
def test_keys_that_do_not(more: dict[str, Any], reason: str) -> None:
    with pytest.raises(jws.KeyFaultError) as caught:
        jws.load_public(PUBLIC | more)
    assert caught.value.reason == reason


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(list(PUBLIC.values())),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "alg", "use", "key_ops", "d", "kid"]), _values, max_size=3)
)
def test_any_jwk_is_a_key_or_a_key_fault(changes: dict[str, Any]) -> None:
    faults = {"key_private", "key_alg_mismatch", "key_use_mismatch"}
    try:
        key = jws.load_public(PUBLIC | changes)
    except jws.KeyFaultError as e:
        faults.remove(e.reason)
    else:
        assert jws.public_jwk(key) == PUBLIC


@pytest.mark.parametrize("missing", ["kty", "crv", "x", "y"])
def test_every_member_is_needed(missing: str) -> None:
    with pytest.raises(jws.KeyFaultError):
        jws.load_public({k: v for k, v in PUBLIC.items() if k != missing})


def test_new_keys_lie_in_the_range() -> None:
    for random in (bytes(40), b"\xff" * 40, (ORDER - 1).to_bytes(40, "big"), ORDER.to_bytes(40, "big")):
        scalar = int.from_bytes(jws.new_private(random), "big")
        assert 1 <= scalar < ORDER
    assert jws.new_private(bytes(40)) != jws.new_private(b"\x01" * 40)
