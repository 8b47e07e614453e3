"""What is said about a set as a whole: one finding a row, beside the set it was made from."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhictl.core.token.jwks import MAX_KEYS
from nhictl.ops.crypto_checks import lint_bundle, lint_jwks
from tests.core.token.crypto_keys import ec_jwk, ed_jwk, rsa_jwk, rsa_private

ONE: Final = {**ec_jwk("ES256"), "kid": "one", "alg": "ES256", "use": "sig"}
TWO: Final = {**ed_jwk(), "kid": "two", "alg": "EdDSA"}
SECRET: Final = {"kty": "oct", "k": "c2VjcmV0", "kid": "s", "alg": "HS256"}
Said = list[tuple[str, str, int | None, str | None]]


def said(value: Any) -> tuple[bool, Said]:
    body = lint_jwks(value)
    assert set(body) == {"valid", "findings"}
    assert all(f["message"] for f in body["findings"])
    assert body["valid"] == ("error" not in {f["severity"] for f in body["findings"]})
    return body["valid"], [(f["code"], f["severity"], f["key"], f["kid"]) for f in body["findings"]]


def without(key: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in key.items() if name not in names}


def test_a_good_set() -> None:
    rsa = {**rsa_jwk(rsa_private().public_key()), "kid": "three", "alg": "PS256", "key_ops": ["verify"]}
    assert said({"keys": [ONE, TWO, rsa], "more": 1}) == (True, [])


ROWS: Final[dict[str, tuple[Any, bool, Said]]] = {
    "duplicate kid": ([ONE, {**TWO, "kid": "one"}], False, [("kid_ambiguous", "error", 1, "one")]),
    "duplicate kid of a key that is none": ([ONE, {"kid": "one", "kty": "AKP"}], False,
        [("key_unsupported", "error", 1, "one"), ("kid_ambiguous", "error", 1, "one")]),
    "three of a kid": ([ONE, {**TWO, "kid": "one"}, {**SECRET, "kid": "one"}], False,
        [("key_private", "error", 2, "one"), ("kid_ambiguous", "error", 1, "one"), ("kid_ambiguous", "error", 2, "one"),
         ("set_mixed", "error", None, None)]),
    "no kid": ([ONE, without(TWO, "kid")], False, [("kid_missing", "error", 1, None)]),
    "no kid in either": ([without(ONE, "kid"), without(TWO, "kid")], False,
        [("kid_missing", "error", 0, None), ("kid_missing", "error", 1, None)]),
    "empty kid": ([{**ONE, "kid": ""}], False, [("kid_missing", "error", 0, None)]),
    "kid that is no string": ([{**ONE, "kid": 1}], False, [("key_malformed", "error", 0, None)]),
    "mixed with a symmetric key": ([ONE, SECRET], False,
        [("key_private", "error", 1, "s"), ("set_mixed", "error", None, None)]),
    "mixed with a secret in a public key": ([ONE, {**TWO, "k": "AA"}], False,
        [("key_private", "error", 1, "two"), ("set_mixed", "error", None, None)]),
    "symmetric alone": ([SECRET], False, [("key_private", "error", 0, "s")]),
    "private": ([{**ONE, "d": "AA"}, TWO], False, [("key_private", "error", 0, "one")]),
    "private and for encryption": ([{**ONE, "d": "AA", "use": "enc"}], False,
        [("key_private", "error", 0, "one"), ("key_use_mismatch", "error", 0, "one")]),
    "RSA of 1024 bits": ([{**rsa_jwk(rsa_private(1024).public_key()), "kid": "r", "alg": "RS256"}], False,
        [("key_too_small", "error", 0, "r")]),
    "use jwt-svid": ([{**ONE, "use": "jwt-svid"}], False, [("key_use_mismatch", "error", 0, "one")]),
    "entry that is no object": ([ONE, 5], False, [("key_malformed", "error", 1, None)]),
    "entry that is a set": ([ONE, {"keys": []}], False,
        [("kid_missing", "error", 1, None), ("key_malformed", "error", 1, None)]),
    "no alg": ([without(ONE, "alg")], True, [("alg_missing", "warning", 0, "one")]),
    "x5c": ([{**ONE, "x5c": ["AA"]}], True, [("certificate_ignored", "warning", 0, "one")]),
    "x5t": ([{**ONE, "x5t#S256": "AA"}], True, [("certificate_ignored", "warning", 0, "one")]),
    "the same key twice": ([ONE, {**ONE, "kid": "other"}], True, [("key_duplicate", "warning", 1, "other")]),
    "no keys": ([], True, [("set_empty", "warning", None, None)]),
    "too many keys": ([ONE] * (MAX_KEYS + 1), False, [("set_malformed", "error", None, None)]),
    "keys null": (None, False, [("set_malformed", "error", None, None)]),
    "keys an object": ({}, False, [("set_malformed", "error", None, None)]),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_findings(name: str) -> None:
    keys, valid, findings = ROWS[name]
    assert said({"keys": keys}) == (valid, findings)


@pytest.mark.parametrize("value", [None, [], [ONE], "x", 5, {}, ONE])
def test_what_is_no_set(value: Any) -> None:
    assert said(value) == (False, [("set_malformed", "error", None, None)])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "alg", "use", "key_ops", "kid", "d", "x5c"])
WORDS = st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "A" * 43, "jwt-svid", "x509-svid", "sig", "AA=="])
ENTRY = JSON | st.dictionaries(MEMBERS, JSON | WORDS | st.lists(WORDS, max_size=2))


@given(st.lists(ENTRY, max_size=4) | JSON, JSON)
def test_anything_gets_an_answer(keys: Any, other: Any) -> None:
    for lint in (lint_jwks, lint_bundle):
        for value in ({"keys": keys, "spiffe_sequence": other}, keys, other):
            body = lint(value)
            assert body["valid"] == all(f["severity"] == "warning" for f in body["findings"])
            assert body["valid"] or body["findings"]
