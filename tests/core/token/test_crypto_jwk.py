"""Keys that are refused, each beside the good key it was made from: by jws-verify, jwks-lint and jwk-thumbprint alike."""

from __future__ import annotations

from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from nhictl.core.token import algorithms, b64, jwk, jws
from nhictl.ops.crypto_checks import lint_jwks, thumbprint, verify_jws
from tests.core.token.crypto_keys import compact, ec_jwk, ed448_jwk, ed_jwk, pair, rsa_jwk, rsa_private, uint

GONE: Final = object()
P: Final = (1 << 255) - 19
P256: Final = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF


def changed(key: dict[str, Any], **members: Any) -> dict[str, Any]:
    """The key with members replaced, or left out where GONE."""
    return {name: value for name, value in {**key, **members}.items() if value is not GONE}


def little(y: int) -> str:
    return b64.encode(y.to_bytes(32, "little"))


def good(alg: str) -> dict[str, Any]:
    return {**pair(alg).jwk, "alg": alg, "kid": "k", "use": "sig"}


def n_of(bits: int = 2048) -> int:
    return rsa_private(bits).private_numbers().public_numbers.n


# (what, algorithm whose good key is changed, the change, reason of jws-verify, reason of jwk-thumbprint)
Row = tuple[str, str, dict[str, Any], str, str]
RSA_D: Final = uint((1 << 2000) + 1)
ROWS: Final[list[Row]] = [
    ("private RSA", "RS256", {"d": RSA_D}, "key_private", "key_private"),
    *((f"RSA with {m}", "PS256", {m: "AQ"}, "key_private", "key_private") for m in ("p", "q", "dp", "dq", "qi")),
    ("RSA with oth", "RS256", {"oth": []}, "key_private", "key_private"),
    ("private EC", "ES256", {"d": "AA"}, "key_private", "key_private"),
    ("private EC whose d is null", "ES256", {"d": None}, "key_private", "key_private"),
    ("private Ed25519", "EdDSA", {"d": "AA"}, "key_private", "key_private"),
    ("a secret in a public key", "ES256", {"k": "AA"}, "key_private", "key_private"),
    ("symmetric", "ES256", {"kty": "oct", "k": "AAAA", "x": GONE, "y": GONE}, "key_private", "key_private"),
    ("symmetric without k", "RS256", {"kty": "oct"}, "key_private", "key_private"),
    ("no kty", "ES256", {"kty": GONE}, "key_alg_mismatch", "key_malformed"),
    ("unknown kty", "ES256", {"kty": "AKP"}, "key_alg_mismatch", "key_unsupported"),
    ("kty in lower case", "ES256", {"kty": "ec"}, "key_alg_mismatch", "key_unsupported"),
    ("kty that is a list", "ES256", {"kty": ["EC"]}, "key_alg_mismatch", "key_malformed"),
    ("secp256k1", "ES256", {"crv": "secp256k1"}, "key_alg_mismatch", "key_unsupported"),
    ("a curve that is a list", "ES256", {"crv": ["P-256"]}, "key_alg_mismatch", "key_unsupported"),
    ("no crv", "ES384", {"crv": GONE}, "key_alg_mismatch", "key_unsupported"),
    ("RSA with a curve", "RS256", {"crv": "P-256"}, "key_alg_mismatch", "valid"),
    ("alg of another family", "RS256", {"alg": "PS256"}, "key_alg_mismatch", "valid"),
    ("alg of another hash", "PS384", {"alg": "PS256"}, "key_alg_mismatch", "valid"),
    ("alg ES512 at P-256", "ES256", {"alg": "ES512"}, "key_alg_mismatch", "valid"),
    ("alg in lower case", "ES256", {"alg": "es256"}, "key_alg_mismatch", "valid"),
    ("alg null", "ES256", {"alg": None}, "key_alg_mismatch", "valid"),
    ("alg for encryption", "RS256", {"alg": "RSA-OAEP"}, "key_alg_mismatch", "valid"),
    ("Ed448", "EdDSA", {"crv": "Ed448", "x": ed448_jwk()["x"]}, "key_alg_mismatch", "valid"),
    *(
        (f"use {use!r}", "ES256", {"use": use}, "key_use_mismatch", "valid")
        for use in ("enc", "jwt-svid", "SIG", "", None, ["sig"])
    ),
    *(
        (f"key_ops {ops!r}", "RS256", {"key_ops": ops}, "key_use_mismatch", "valid")
        for ops in ([], ["sign"], ["encrypt"], "verify", None, {"verify": 1}, [["verify"]])
    ),
    ("kid that is a number", "ES256", {"kid": 5}, "key_malformed", "valid"),
    ("RSA of 1024 bits", "RS256", {"n": uint(n_of(1024))}, "key_too_small", "valid"),
    ("RSA of 2047 bits", "RS256", {"n": uint(1 << 2046 | 1)}, "key_too_small", "valid"),
    ("n of 16385 bits", "RS256", {"n": uint(1 << 16384 | 1)}, "key_malformed", "key_malformed"),
    ("n even", "RS256", {"n": uint(n_of() + 1)}, "key_malformed", "valid"),
    ("n with a leading zero", "RS256", {"n": b64.encode(b"\0" + n_of().to_bytes(256, "big"))},
     "key_malformed", "key_malformed"),
    ("n zero", "RS256", {"n": "AA"}, "key_malformed", "key_malformed"),
    ("n empty", "RS256", {"n": ""}, "key_malformed", "key_malformed"),
    ("n missing", "RS256", {"n": GONE}, "key_malformed", "key_malformed"),
    ("n a number", "RS256", {"n": 5}, "key_malformed", "key_malformed"),
    ("n padded", "RS256", {"n": uint(n_of()) + "=="}, "key_malformed", "key_malformed"),
    ("n in the standard alphabet", "RS256", {"n": "+/" + uint(n_of())[2:]}, "key_malformed", "key_malformed"),
    ("n with stray bits", "RS256", {"n": "_" * 341 + "_"}, "key_malformed", "key_malformed"),
    ("e = 1", "RS256", {"e": "AQ"}, "key_malformed", "valid"),
    ("e = 2", "RS256", {"e": "Ag"}, "key_malformed", "valid"),
    ("e even", "RS256", {"e": uint(65536)}, "key_malformed", "valid"),
    ("e zero", "RS256", {"e": "AA"}, "key_malformed", "key_malformed"),
    ("e with a leading zero", "RS256", {"e": b64.encode(b"\0\1\0\1")}, "key_malformed", "key_malformed"),
    ("e with stray bits", "RS256", {"e": "AR"}, "key_malformed", "key_malformed"),
    ("e of 257 bits", "RS256", {"e": uint(1 << 256 | 1)}, "key_malformed", "valid"),
    ("e of 65 bits and n of 3073", "RS256", {"n": uint(1 << 3072 | 1), "e": uint(1 << 64 | 1)}, "key_malformed", "valid"),
    ("ROCA", "RS256", {"n": uint(65537**128)}, "key_weak",
     "valid"),
    ("x short", "ES256", {"x": "AA"}, "key_malformed", "key_malformed"),
    ("x of 33 bytes", "ES256", {"x": b64.encode(b"\0" + b64.decode(ec_jwk("ES256")["x"]))},
     "key_malformed", "key_malformed"),
    ("y padded", "ES256", {"y": ec_jwk("ES256")["y"] + "="}, "key_malformed", "key_malformed"),
    ("y missing", "ES384", {"y": GONE}, "key_malformed", "key_malformed"),
    ("y a list", "ES512", {"y": ["A" * 88]}, "key_malformed", "key_malformed"),
    ("not on P-256", "ES256", {"y": b64.encode(bytes(31) + b"\1")}, "key_malformed", "valid"),
    ("not on P-384", "ES384", {"y": b64.encode(bytes(47) + b"\1")}, "key_malformed", "valid"),
    ("not on P-521", "ES512", {"y": b64.encode(bytes(65) + b"\1")}, "key_malformed", "valid"),
    ("the origin", "ES256", {"x": "A" * 43, "y": "A" * 43}, "key_malformed", "valid"),
    ("a coordinate of 521 bits too many", "ES512", {"x": b64.encode(b"\xff" * 66)}, "key_malformed", "valid"),
    ("a point of another curve", "ES384", {"x": ec_jwk("ES256")["x"], "y": ec_jwk("ES256")["y"]},
     "key_malformed", "key_malformed"),
    ("Ed25519 of 31 bytes", "EdDSA", {"x": b64.encode(bytes(31))}, "key_malformed", "key_malformed"),
    ("Ed25519 missing", "Ed25519", {"x": GONE}, "key_malformed", "key_malformed"),
    ("Ed25519 not on the curve", "EdDSA", {"x": little(2)}, "key_malformed", "valid"),
    ("Ed25519 not reduced", "EdDSA", {"x": little(P + 3)}, "key_malformed", "valid"),
    *((f"Ed25519 of small order, {y}", "EdDSA", {"x": little(y)}, "key_weak", "valid")
      for y in (0, 1, P - 1, 1 << 255, 1 | 1 << 255, jwk._ORDER_8, P - jwk._ORDER_8)),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_refused(row: Row) -> None:
    name, alg, change, expected, printed = row
    key = changed(good(alg), **change)
    data = compact({"alg": alg}, b"x", pair(alg).sign)
    assert verify_jws(good(alg), data)[0]["reason"] == "valid"
    body, payload = verify_jws(key, data)
    assert (body["valid"], body["reason"], payload) == (False, expected, b""), name
    assert body["message"]
    assert thumbprint(key)["reason"] == printed


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_set_with_it_is_not_valid(row: Row) -> None:
    """A set has no header to compare with, so what is merely for another algorithm may be a good key there."""
    _, alg, change, expected, _ = row
    assert lint_jwks({"keys": [good(alg)]}) == {"valid": True, "findings": []}
    body = lint_jwks({"keys": [changed(good(alg), **change)]})
    codes = {f["code"] for f in body["findings"]}
    if change == {"alg": "PS256"}:
        assert body == {"valid": True, "findings": []}
    elif expected == "key_alg_mismatch" and {"kty", "crv"} & change.keys() and row[0] != "RSA with a curve":
        assert not body["valid"]
        assert codes & {"key_unsupported", "key_malformed"}
    else:
        assert not body["valid"]
        assert expected in codes


@pytest.mark.parametrize("key", [5, None, "x", [], True])
def test_what_is_no_object(key: Any) -> None:
    assert verify_jws(key, compact({"alg": "ES256"}, b"x", pair("ES256").sign))[0]["reason"] == "key_malformed"
    assert thumbprint(key)["reason"] == "key_malformed"


def test_a_set_is_no_key() -> None:
    data = compact({"alg": "ES256"}, b"x", pair("ES256").sign)
    assert verify_jws({"keys": [good("ES256")]}, data)[0]["reason"] == "key_malformed"


def test_a_small_order_key_would_take_a_forgery() -> None:
    """Why they are refused: under the neutral point the library takes one signature for any message."""
    neutral = ed25519.Ed25519PublicKey.from_public_bytes(little_bytes(1))
    forged = little_bytes(1) + bytes(32)
    neutral.verify(forged, b"one message")
    neutral.verify(forged, b"another")
    data = compact({"alg": "EdDSA"}, b"x", lambda _: forged)
    assert verify_jws({**ed_jwk(), "x": little(1)}, data)[0]["reason"] == "key_weak"


def little_bytes(y: int) -> bytes:
    return y.to_bytes(32, "little")


def test_small_orders_are_small_orders() -> None:
    """Doubling such a point three times gives the neutral element; the y of a real key does not do that."""
    d = -121665 * pow(121666, -1, P) % P

    def doubled_y_squared_is_one(y: int, times: int) -> bool:
        x2 = (y * y - 1) * pow(d * y * y + 1, -1, P) % P  # x²; doubling needs only x² and y²
        y2 = y * y % P
        for _ in range(times):
            bottom = 1 - d * x2 * y2
            new_y = (y2 + x2) * pow(bottom % P, -1, P) % P
            top = 1 + d * x2 * y2
            new_x2 = 4 * x2 * y2 * pow(top * top % P, -1, P) % P
            y2, x2 = new_y * new_y % P, new_x2
        return y2 == 1 and x2 == 0

    small = jwk._SMALL_ORDER
    assert len(small) == 5
    assert all(doubled_y_squared_is_one(y, 3) for y in small)
    y = int.from_bytes(b64.decode(ed_jwk()["x"]), "little") & ((1 << 255) - 1)
    assert not doubled_y_squared_is_one(y, 3)


@given(st.binary(min_size=32, max_size=32))
def test_every_real_ed25519_key_is_accepted(seed: bytes) -> None:
    public = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key()
    key = jwk.load({"kty": "OKP", "crv": "Ed25519", "x": b64.encode(public.public_bytes_raw())}, "EdDSA")
    assert key == public


@given(st.binary(min_size=32, max_size=32))
def test_ed25519_points_agree_with_the_curve(data: bytes) -> None:
    """Half of all y are on the curve; for those x² − (y² − 1)/(dy² + 1) has a root, checked here by exponentiation."""
    y = int.from_bytes(data, "little") & ((1 << 255) - 1)
    if y >= P:
        return
    d = -121665 * pow(121666, -1, P) % P
    square = (y * y - 1) * pow(d * y * y + 1, -1, P) % P
    root = pow(square, (P + 3) // 8, P)
    on_curve = root * root % P in (square, -square % P)
    body = lint_jwks({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": b64.encode(data), "kid": "a", "alg": "EdDSA"}]})
    if y in jwk._SMALL_ORDER:
        assert [f["code"] for f in body["findings"]] == ["key_weak"]
    else:
        assert body["valid"] == on_curve


@given(st.integers(2, algorithms.CURVES["P-256"].order - 1))
def test_p256_keys_load_as_on_the_hot_path(scalar: int) -> None:
    key = jws.public_jwk(ec.derive_private_key(scalar, ec.SECP256R1()))
    assert jwk.load(key, "ES256") == jws.load_public(key)


def test_a_coordinate_beyond_the_field_is_no_second_name_of_a_point() -> None:
    """x = 5 is on P-256, x = 5 + p is the same point written another way."""
    x = 5
    square = (x**3 - 3 * x + 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B) % P256
    y = pow(square, (P256 + 1) // 4, P256)
    assert y * y % P256 == square
    for value, fits in ((x, True), (x + P256, False)):
        key = {"kty": "EC", "crv": "P-256"} | {
            m: b64.encode(n.to_bytes(32, "big")) for m, n in (("x", value), ("y", y))
        }
        codes = {f["code"] for f in lint_jwks({"keys": [{**key, "kid": "a"}]})["findings"]}
        assert codes == ({"alg_missing"} if fits else {"key_malformed"})


def test_the_mark_of_roca_is_not_on_honest_keys() -> None:
    assert not any(jwk._roca(n_of(bits)) for bits in (1024, 2048))
    assert jwk._roca(65537**128)
    assert not jwk._roca(65537**128 + 2)


@pytest.mark.parametrize("bits", [2048, 2049, 3072, 4096])
def test_long_rsa_keys_are_fine(bits: int) -> None:
    """Numbers of the right shape: nobody can tell from outside whether they are products of two primes."""
    key = {"kty": "RSA", "n": uint(1 << (bits - 1) | 0xABCDEF1), "e": "Aw", "kid": "a", "alg": "PS512"}
    assert lint_jwks({"keys": [key]})["findings"] == []
    assert rsa_jwk(rsa_private().public_key())["e"] == "AQAB"
