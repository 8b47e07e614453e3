"""Signatures of every algorithm, beside PyJWT as a second opinion; and what no signature may look like."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.token import algorithms, b64, jwk
from nhictl.ops.crypto_checks import MAX_INPUT, verify_jws
from tests.core.token.crypto_keys import (
    EC_CURVES,
    EVERY_ALG,
    HASHES,
    compact,
    ec_private,
    ed_private,
    edit_signature,
    pad_of,
    pair,
    raw_ecdsa,
    rsa_jwk,
    rsa_private,
    uint,
)  # fmt: skip

PAYLOAD = b"\x00any bytes\xff\n"


def reason(key: Any, data: bytes) -> str:
    body, payload = verify_jws(key, data)
    assert body["valid"] == (body["reason"] == "valid")
    assert body["valid"] or payload == b""
    return str(body["reason"])


def opinion(alg: str, key: dict[str, Any], data: bytes) -> bool:
    """What PyJWT says; it knows RFC 9864's Ed25519 under its older name only."""
    peer = jwt.get_algorithm_by_name("EdDSA" if alg == "Ed25519" else alg)
    public: Any = peer.from_jwk(json.dumps(key))
    signed, _, signature = data.rpartition(b".")
    return bool(peer.verify(signed, public, b64.decode(signature)))


@pytest.mark.parametrize("alg", EVERY_ALG)
def test_what_we_and_pyjwt_accept(alg: str) -> None:
    key, sign, private = pair(alg)
    data = compact({"alg": alg}, PAYLOAD, sign)
    assert verify_jws(key, data) == ({"valid": True, "reason": "valid", "alg": alg}, PAYLOAD)
    assert opinion(alg, key, data)
    if alg != "Ed25519":
        theirs = jwt.encode({"a": 1}, private, algorithm=alg, headers={"kid": "k"})
        assert reason({**key, "kid": "k", "use": "sig", "alg": alg, "key_ops": ["verify"]}, theirs.encode()) == "valid"


@pytest.mark.parametrize("alg", EVERY_ALG)
@settings(max_examples=25, deadline=None)
@given(at=st.integers(0, 2000), bit=st.integers(0, 7), part=st.sampled_from(["signature", "payload"]))
def test_one_bit_more_or_less_and_both_refuse(alg: str, at: int, bit: int, part: str) -> None:
    key, sign, _ = pair(alg)

    def flip(raw: bytes) -> bytes:
        where = at % len(raw)
        return raw[:where] + bytes([raw[where] ^ 1 << bit]) + raw[where + 1 :]

    data = compact({"alg": alg}, PAYLOAD, sign)
    if part == "signature":
        data = edit_signature(data, flip)
    else:
        head, body, signature = data.split(b".")
        data = b".".join((head, b64.encode(flip(b64.decode(body))).encode(), signature))
    assert reason(key, data) == "signature_invalid"
    assert not opinion(alg, key, data)


@pytest.mark.parametrize("named", EVERY_ALG)
@pytest.mark.parametrize("made", EVERY_ALG)
def test_no_algorithm_stands_for_another(made: str, named: str) -> None:
    """The header says one, the signature was made by another; the key fits the header where its kind allows."""
    data = compact({"alg": named}, PAYLOAD, pair(made).sign)
    same = {made, named} <= {"EdDSA", "Ed25519"} or made == named
    assert (reason(pair(named).jwk, data) == "valid") == same
    bound = {**pair(made).jwk, "alg": made}
    assert (reason(bound, data) == "valid") == (made == named), "the key's own alg binds, in exact spelling"


@pytest.mark.parametrize("alg", EC_CURVES)
@pytest.mark.parametrize("other", EC_CURVES)
def test_a_curve_belongs_to_its_hash(alg: str, other: str) -> None:
    data = compact({"alg": alg}, PAYLOAD, pair(alg).sign)
    assert (reason(pair(other).jwk, data) == "valid") == (alg == other)
    loaded = jwk.public(pair(other).jwk)
    signed, _, signature = data.rpartition(b".")
    assert algorithms.verify(alg, loaded, signed, b64.decode(signature)) == (alg == other), (
        "also below the key's own rules"
    )


def test_below_the_keys_own_rules_too_a_key_serves_its_own_algorithms_only() -> None:
    for alg in EVERY_ALG:
        signature = pair(alg).sign(b"x")
        fits = {other for other in EVERY_ALG if algorithms.verify(other, jwk.public(pair(alg).jwk), b"x", signature)}
        assert fits == ({"EdDSA", "Ed25519"} if alg.startswith("Ed") else {alg})
        assert not algorithms.verify("none", jwk.public(pair(alg).jwk), b"x", signature)


def _ecdsa_edits(alg: str) -> dict[str, Callable[[bytes], bytes]]:
    order, size = (
        algorithms.CURVES[{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[alg]].order,
        EC_CURVES[alg][1],
    )

    def rs(change: Callable[[int, int], tuple[int, int]], width: int = size) -> Callable[[bytes], bytes]:
        def edit(raw: bytes) -> bytes:
            r, s = change(int.from_bytes(raw[:size], "big"), int.from_bytes(raw[size:], "big"))
            return r.to_bytes(width, "big") + s.to_bytes(width, "big")

        return edit

    def der(raw: bytes) -> bytes:
        return encode_dss_signature(int.from_bytes(raw[:size], "big"), int.from_bytes(raw[size:], "big"))

    return {
        "r = 0": rs(lambda _, s: (0, s)), "s = 0": rs(lambda r, _: (r, 0)), "both 0": rs(lambda _r, _s: (0, 0)),
        "r = n": rs(lambda _, s: (order, s)), "s = n": rs(lambda r, _: (r, order)),
        "r = n, s = 0": rs(lambda _r, _s: (order, 0)), "1 and 1": rs(lambda _r, _s: (1, 1)),
        "r + n": rs(lambda r, s: (r + order, s), size + 1), "leading zeros": rs(lambda r, s: (r, s), size + 1),
        "DER": der, "empty": lambda _: b"", "cut": lambda raw: raw[:-1], "a byte more": lambda raw: raw + b"\0",
        "a byte before": lambda raw: b"\0" + raw, "half": lambda raw: raw[:size],
        "a leading zero in s": lambda raw: raw[:size] + b"\0" + raw[size:],
        "swapped": lambda raw: raw[size:] + raw[:size],
    }  # fmt: skip


@pytest.mark.parametrize("name", _ecdsa_edits("ES256"))
@pytest.mark.parametrize("alg", EC_CURVES)
def test_ecdsa_signatures_that_are_none(alg: str, name: str) -> None:
    key, sign, _ = pair(alg)
    data = compact({"alg": alg}, PAYLOAD, sign)
    assert reason(key, data) == "valid"
    assert reason(key, edit_signature(data, _ecdsa_edits(alg)[name])) == "signature_invalid"


@pytest.mark.parametrize("alg", EC_CURVES)
def test_the_orders_are_those_of_the_curves(alg: str) -> None:
    """n − 1 is a private key, n is none."""
    from cryptography.hazmat.primitives.asymmetric import ec

    known = next(c for c in algorithms.CURVES.values() if c.curve.name == EC_CURVES[alg][0].name)
    assert ec.derive_private_key(known.order - 1, known.curve).key_size == known.curve.key_size
    with pytest.raises(ValueError, match=r"."):
        ec.derive_private_key(known.order, known.curve)


def test_the_other_s_is_valid_too() -> None:
    """ECDSA is malleable, which is why nothing may be keyed on a token's text (tokens.md §1, fact 8)."""
    order = algorithms.CURVES["P-256"].order
    key, sign, _ = pair("ES256")
    data = compact({"alg": "ES256"}, PAYLOAD, sign)
    other = edit_signature(data, lambda raw: raw[:32] + (order - int.from_bytes(raw[32:], "big")).to_bytes(32, "big"))
    assert other != data
    assert reason(key, other) == "valid"


@pytest.mark.parametrize("alg", ["PS256", "PS384", "PS512"])
def test_the_salt_is_as_long_as_the_hash(alg: str) -> None:
    digest = HASHES[alg[2:]]
    for salt in (0, digest.digest_size - 1, digest.digest_size, digest.digest_size + 1, 100):
        sign = partial(rsa_private().sign, padding=padding.PSS(padding.MGF1(digest), salt), algorithm=digest)
        data = compact({"alg": alg}, PAYLOAD, sign)
        expected = "valid" if salt == digest.digest_size else "signature_invalid"
        assert reason(pair(alg).jwk, data) == expected, salt


def test_the_mask_uses_the_same_hash() -> None:
    pad = padding.PSS(padding.MGF1(HASHES["512"]), 32)
    data = compact({"alg": "PS256"}, PAYLOAD, lambda text: rsa_private().sign(text, pad, HASHES["256"]))
    assert reason(pair("PS256").jwk, data) == "signature_invalid"


@pytest.mark.parametrize("alg", ["RS256", "PS256"])
def test_rsa_signatures_have_the_length_of_the_modulus(alg: str) -> None:
    key, sign, private = pair(alg)
    n: int = private.private_numbers().public_numbers.n
    data = compact({"alg": alg}, PAYLOAD, sign)

    def beyond(raw: bytes) -> bytes:
        return (int.from_bytes(raw, "big") + n).to_bytes(len(raw) + 1, "big")

    edits: list[Callable[[bytes], bytes]] = [
        beyond, lambda raw: b"\0" + raw, lambda raw: raw + b"\0", lambda raw: raw[:-1], lambda _: b"",
        lambda raw: bytes(len(raw)), lambda raw: bytes(len(raw) - 1) + b"\1", lambda raw: b"\xff" * len(raw),
        lambda raw: (n - 1).to_bytes(len(raw), "big"), lambda raw: n.to_bytes(len(raw), "big"),
    ]  # fmt: skip
    for edit in edits:
        assert reason(key, edit_signature(data, edit)) == "signature_invalid"


def test_a_wide_exponent_verifies() -> None:
    """2^255 + 95 and a 2,048-bit modulus: the widest we take is one the library can work with."""
    base = rsa_private().private_numbers()
    phi = (base.p - 1) * (base.q - 1)
    e = next(e for e in range((1 << 255) + 1, (1 << 255) + 1000, 2) if _coprime(e, phi))
    d = pow(e, -1, phi)
    numbers = rsa.RSAPrivateNumbers(
        base.p, base.q, d, d % (base.p - 1), d % (base.q - 1), pow(base.q, -1, base.p),
        rsa.RSAPublicNumbers(e, base.public_numbers.n),
    )  # fmt: skip
    private = numbers.private_key()
    key = rsa_jwk(private.public_key())
    assert key["e"] == uint(e)
    data = compact({"alg": "RS256"}, PAYLOAD, lambda text: private.sign(text, pad_of("RS256"), HASHES["256"]))
    assert reason(key, data) == "valid"


def _coprime(a: int, b: int) -> bool:
    while b:
        a, b = b, a % b
    return a == 1


L = (1 << 252) + 27742317777372353535851937790883648493


@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519"])
def test_ed25519_signatures_that_are_none(alg: str) -> None:
    key, sign, _ = pair(alg)
    data = compact({"alg": alg}, PAYLOAD, sign)
    assert reason(key, data) == "valid"

    def s_plus_order(raw: bytes) -> bytes:
        return raw[:32] + (int.from_bytes(raw[32:], "little") + L).to_bytes(32, "little")

    for edit in (s_plus_order, lambda _: bytes(64), lambda raw: raw[:63], lambda raw: raw + b"\0", lambda _: b""):
        assert reason(key, edit_signature(data, edit)) == "signature_invalid"


HEADERS: dict[str, tuple[dict[str, Any] | bytes, str]] = {
    "crit": ({"alg": "ES256", "crit": ["exp"], "exp": 1}, "header_crit_unsupported"),
    "crit that is empty": ({"alg": "ES256", "crit": []}, "header_crit_unsupported"),
    "b64": ({"alg": "ES256", "b64": False}, "header_forbidden"),
    "zip": ({"alg": "ES256", "zip": "DEF"}, "header_forbidden"),
    "enc": ({"alg": "ES256", "enc": "A128GCM"}, "header_forbidden"),
    "jku": ({"alg": "ES256", "jku": "https://a.example/k"}, "header_key_injection"),
    "jwk": ({"alg": "ES256", "jwk": {}}, "header_key_injection"),
    "x5u": ({"alg": "ES256", "x5u": "https://a.example/c"}, "header_key_injection"),
    "x5c": ({"alg": "ES256", "x5c": []}, "header_key_injection"),
    "no alg": ({"kid": "a"}, "alg_not_allowed"),
    "alg none": ({"alg": "none"}, "alg_none"),
    "alg None": ({"alg": "NoNe"}, "alg_none"),
    "alg in lower case": ({"alg": "es256"}, "alg_not_allowed"),
    "alg that is a list": ({"alg": ["ES256"]}, "alg_not_allowed"),
    "HS256": ({"alg": "HS256"}, "alg_not_allowed"),
    "ES256K": ({"alg": "ES256K"}, "alg_not_allowed"),
    "Ed448": ({"alg": "Ed448"}, "alg_not_allowed"),
    "another kid": ({"alg": "ES256", "kid": "b"}, "kid_unknown"),
    "kid that is a number": ({"alg": "ES256", "kid": 5}, "kid_missing"),
    "kid that is null": ({"alg": "ES256", "kid": None}, "kid_missing"),
    "alg twice": (b'{"alg":"ES256","alg":"ES256"}', "header_duplicate_member"),
    "NaN": (b'{"alg":"ES256","a":NaN}', "header_bad_json"),
    "a byte order mark": (b'\xef\xbb\xbf{"alg":"ES256"}', "header_bad_json"),
    "Latin-1": (b'{"alg":"ES256","a":"\xe9"}', "header_bad_json"),
    "no object": (b'["ES256"]', "header_bad_json"),
    "nothing": (b"", "header_bad_json"),
    "too deep": (b'{"alg":"ES256","a":' + b"[" * 40 + b"]" * 40 + b"}", "header_bad_json"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_are_refused(name: str) -> None:
    key, sign, _ = pair("ES256")
    header, expected = HEADERS[name]
    assert reason({**key, "kid": "a"}, compact({"alg": "ES256", "kid": "a"}, PAYLOAD, sign)) == "valid"
    assert reason({**key, "kid": "a"}, compact(header, PAYLOAD, sign)) == expected


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ({"typ": "anything", "cty": "x", "unknown": {"a": 1}}, {}),
        ({"kid": "a"}, {"kid": "a"}),
        ({"kid": "a"}, {}),
        ({}, {"kid": "a"}),
        ({}, {"use": "sig", "key_ops": ["verify", "sign"], "alg": "ES256", "ext": True, "x5t": 5}),
    ],
)
def test_what_is_merely_unknown_or_unsaid_does_not_hurt(header: dict[str, Any], key: dict[str, Any]) -> None:
    jwk_, sign, _ = pair("ES256")
    assert reason({**jwk_, **key}, compact({"alg": "ES256", **header}, PAYLOAD, sign)) == "valid"


def _text(edit: Callable[[bytes], bytes]) -> bytes:
    return edit(compact({"alg": "ES256"}, PAYLOAD, pair("ES256").sign))


TEXTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "token_empty"),
    "padding": (lambda t: t + b"==", "token_bad_base64"),
    "standard alphabet": (lambda t: t[:-1] + b"+", "token_bad_base64"),
    "blank": (lambda t: t + b" ", "token_bad_charset"),
    "line feed inside": (lambda t: t[:9] + b"\n" + t[9:], "token_bad_charset"),
    "two line feeds": (lambda t: t + b"\n\n", "token_bad_charset"),
    "not ASCII": (lambda t: t + "é".encode(), "token_bad_charset"),
    "two segments": (lambda t: t.rpartition(b".")[0], "token_bad_segments"),
    "four segments": (lambda t: t + b".", "token_bad_segments"),
    "five segments": (lambda t: t + b"..", "token_is_jwe"),
    "JSON serialization": (lambda _: b'{"payload":""}', "token_json_serialization"),
    "too large": (lambda t: t + b"A" * MAX_INPUT, "token_too_large"),
    "no signature": (lambda t: t.rpartition(b".")[0] + b".", "signature_invalid"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_that_are_refused(name: str) -> None:
    edit, expected = TEXTS[name]
    key = pair("ES256").jwk
    assert reason(key, _text(lambda t: t)) == "valid"
    assert reason(key, _text(lambda t: t + b"\n")) == "valid"
    assert reason(key, _text(edit)) == expected


def test_stray_bits_are_refused() -> None:
    """64 bytes are 86 characters, the last of which has four bits that say nothing: they are zero."""
    data = _text(lambda t: t)
    assert data[-1:] in b"AQgw"
    assert reason(pair("ES256").jwk, data[:-1] + bytes([data[-1] + 1])) == "token_bad_base64"


def test_a_payload_may_be_large_or_nothing() -> None:
    key, sign, _ = pair("Ed25519")
    for payload in (b"", b"x" * 600_000):
        assert verify_jws(key, compact({"alg": "Ed25519"}, payload, sign))[1] == payload


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["RSA", "EC", "OKP", "oct", "AQAB"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
KEYLIKE = st.dictionaries(
    st.sampled_from(["kty", "crv", "x", "y", "n", "e", "alg", "use", "key_ops", "kid", "d", "k", "x5c"]),
    JSON | st.sampled_from(["P-256", "Ed25519", "A" * 43, "sig", "ES256", "EdDSA"]),
)


@given(st.binary(max_size=200), JSON | KEYLIKE)
def test_nothing_is_raised_whatever_comes(data: bytes, key: Any) -> None:
    assert reason(key, data) != "valid"


@given(KEYLIKE)
def test_no_key_but_the_right_one_verifies(members: dict[str, Any]) -> None:
    """A good JWS, and a key whose members were overwritten at random: valid only if nothing was."""
    good = pair("ES256").jwk
    key = {**good, **members}
    body, _ = verify_jws(key, compact({"alg": "ES256"}, PAYLOAD, pair("ES256").sign))
    if body["valid"]:
        assert {name: key[name] for name in good} == good
        assert key.get("alg", "ES256") == "ES256"
        assert key.get("use", "sig") == "sig"
        assert not {"d", "k"} & key.keys()


def test_the_helpers_do_sign_with_what_they_say() -> None:
    """Guards the tables above: a raw ECDSA signature and an Ed25519 one are as long as their RFCs say."""
    assert [len(raw_ecdsa(b"x", alg)) for alg in EC_CURVES] == [64, 96, 132]
    assert len(ed_private().sign(b"x")) == 64
    assert ec_private("ES384").key_size == 384
