"""SPIFFE bundles: one finding a row, beside the bundle it was made from. Certificates are made here, dates are fixed."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from nhictl.ops.crypto_checks import lint_bundle
from tests.core.token.crypto_keys import ec_jwk, ec_private, ed_jwk, rsa_jwk, rsa_private


def certificate(alg: str, *, ca: bool | None = True, sign: bool | None = None, called: str = "test") -> str:
    """A self-signed certificate as an `x5c` entry; `ca` None: without basic constraints, `sign` None: without key usage."""
    private = ec_private(alg)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, called)])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
        .serial_number(7).not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
    )  # fmt: skip
    if ca is not None:
        made = made.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if sign is not None:
        usage = x509.KeyUsage(
            digital_signature=not sign, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=sign, crl_sign=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        made = made.add_extension(usage, critical=True)
    der = made.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    return base64.b64encode(der).decode()


GOOD: Final = certificate("ES256")
PADDED: Final = next(
    c for n in range(1, 9) for _ in range(9) if (c := certificate("ES256", called="t" * n)).endswith("==")
)
JWT: Final = {**ec_jwk("ES384"), "kid": "j", "use": "jwt-svid"}
X509: Final = {**ec_jwk("ES256"), "use": "x509-svid", "x5c": [GOOD]}
Said = list[tuple[str, str, int | None]]


def said(keys: Any, **members: Any) -> tuple[bool, Said]:
    bundle = {"keys": keys, "spiffe_sequence": 1, "spiffe_refresh_hint": 300, **members}
    body = lint_bundle({name: value for name, value in bundle.items() if value is not ...})
    return body["valid"], [(f["code"], f["severity"], f["key"]) for f in body["findings"]]


def changed(key: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {name: value for name, value in {**key, **members}.items() if value is not ...}


def test_a_good_bundle() -> None:
    rsa = {**rsa_jwk(rsa_private().public_key()), "kid": "r", "use": "jwt-svid", "alg": "RS256"}
    assert said([JWT, X509, rsa]) == (True, [])
    assert said([JWT], spiffe_sequence=0) == (True, [])


def test_no_keys_is_a_message_of_its_own() -> None:
    assert said([]) == (True, [("bundle_empty", "warning", None)])


ROWS: Final[dict[str, tuple[dict[str, Any], bool, Said]]] = {
    "jwt without kid": (changed(JWT, kid=...), False, [("kid_missing", "error", 1)]),
    "jwt with an empty kid": (changed(JWT, kid=""), False, [("kid_missing", "error", 1)]),
    "jwt with a certificate": (changed(JWT, x5c=[GOOD]), False, [("x5c_unexpected", "error", 1)]),
    "no use": (changed(JWT, use=...), False, [("use_missing", "error", 1)]),
    "use null": (changed(JWT, use=None), False, [("use_missing", "error", 1)]),
    "use sig": (changed(JWT, use="sig"), True, [("use_unknown", "warning", 1)]),
    "use sig and private": (changed(JWT, use="sig", d="AA"), False,
        [("key_private", "error", 1), ("use_unknown", "warning", 1)]),
    "private": (changed(JWT, d="AA"), False, [("key_private", "error", 1)]),
    "symmetric": ({"kty": "oct", "k": "AA", "use": "jwt-svid", "kid": "s"}, False, [("key_private", "error", 1)]),
    "Ed25519": ({**ed_jwk(), "use": "jwt-svid", "kid": "e"}, False, [("key_unsupported", "error", 1)]),
    "Ed25519 certificate": ({**ed_jwk(), "use": "x509-svid", "x5c": [GOOD]}, False,
        [("key_unsupported", "error", 1), ("x5c_key_mismatch", "error", 1)]),
    "RSA of 1024 bits": ({**rsa_jwk(rsa_private(1024).public_key()), "use": "jwt-svid", "kid": "r"}, False,
        [("key_too_small", "error", 1)]),
    "wrong alg": (changed(JWT, alg="ES256"), False, [("key_alg_mismatch", "error", 1)]),
    "key_ops without verify": (changed(JWT, key_ops=["sign"]), False, [("key_use_mismatch", "error", 1)]),
    "not on the curve": (changed(JWT, y=JWT["x"]), False, [("key_malformed", "error", 1)]),
    "no object": (5, False, [("key_malformed", "error", 1)]),  # type: ignore[dict-item]
    "x509 with a kid": (changed(X509, kid="x"), False, [("kid_unexpected", "error", 1)]),
    "x509 without certificate": (changed(X509, x5c=...), False, [("x5c_missing", "error", 1)]),
    "x509 with none": (changed(X509, x5c=[]), False, [("x5c_malformed", "error", 1)]),
    "x509 with two": (changed(X509, x5c=[GOOD, GOOD]), False, [("x5c_malformed", "error", 1)]),
    "x5c a string": (changed(X509, x5c=GOOD), False, [("x5c_malformed", "error", 1)]),
    "x5c of a number": (changed(X509, x5c=[5]), False, [("x5c_malformed", "error", 1)]),
    "x5c base64url": (changed(X509, x5c=[GOOD.replace("+", "-").replace("/", "_").rstrip("=") + "_"]), False,
        [("x5c_malformed", "error", 1)]),
    "x5c with stray bits": (changed(X509, x5c=[PADDED[:-3] + chr(ord(PADDED[-3]) + 1) + "=="]), False,
        [("x5c_malformed", "error", 1)]),
    "x5c with padding": (changed(X509, x5c=[PADDED]), True, []),
    "x5c of a key that is none": (changed(X509, y=X509["x"]), False, [("key_malformed", "error", 1)]),
    "x5c with a line feed": (changed(X509, x5c=[GOOD + "\n"]), False, [("x5c_malformed", "error", 1)]),
    "x5c not ASCII": (changed(X509, x5c=["é"]), False, [("x5c_malformed", "error", 1)]),
    "x5c not DER": (changed(X509, x5c=["AAAA"]), False, [("x5c_malformed", "error", 1)]),
    "x5c cut short": (changed(X509, x5c=[GOOD[:200]]), False, [("x5c_malformed", "error", 1)]),
    "x5c of another key": (changed(X509, x5c=[certificate("ES384")]), False, [("x5c_key_mismatch", "error", 1)]),
    "a leaf": (changed(X509, x5c=[certificate("ES256", ca=False)]), True, [("x5c_not_ca", "warning", 1)]),
    "nothing said of CA": (changed(X509, x5c=[certificate("ES256", ca=None)]), True, [("x5c_not_ca", "warning", 1)]),
    "may not sign": (changed(X509, x5c=[certificate("ES256", sign=False)]), True, [("x5c_not_ca", "warning", 1)]),
    "may sign": (changed(X509, x5c=[certificate("ES256", sign=True)]), True, []),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_findings(name: str) -> None:
    entry, valid, findings = ROWS[name]
    other = changed(JWT, **ec_jwk("ES512"), kid="other")
    assert said([other, entry]) == (valid, findings)


def test_a_kid_names_one_key() -> None:
    twin = {**ec_jwk("ES512"), "kid": "j", "use": "jwt-svid"}
    assert said([JWT, twin]) == (False, [("kid_ambiguous", "error", 1)])


@pytest.mark.parametrize("name", ["sequence", "refresh_hint"])
def test_the_bundles_own_numbers(name: str) -> None:
    member = f"spiffe_{name}"
    wrong: list[Any] = [-1, 1.5, "1", True, None, [], 1 << 63]
    for value in wrong:
        assert said([JWT], **{member: value}) == (False, [(f"{name}_malformed", "error", None)]), value
    assert said([JWT], **{member: ...}) == (True, [(f"{name}_missing", "warning", None)])
    assert said([JWT], **{member: 1}) == (True, [])


def test_a_hint_of_no_time_is_none() -> None:
    assert said([JWT], spiffe_refresh_hint=0) == (False, [("refresh_hint_malformed", "error", None)])


@pytest.mark.parametrize("value", [None, [], 5, {}, {"keys": {}}, JWT])
def test_what_is_no_bundle(value: Any) -> None:
    body = lint_bundle(value)
    assert [f["code"] for f in body["findings"]] == ["set_malformed"]
    assert not body["valid"]
