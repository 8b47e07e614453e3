"""What stands in the certificates, to the last extension, and that an independent verifier takes them and no others."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from hypothesis import given
from hypothesis import strategies as st

from nhictl.core.identity import certificate, spiffe, x509_svid
from nhictl.core.token import jws
from tests.core.token.crypto_keys import ec_jwk, rsa_jwk, rsa_private

NOW, HOUR, YEAR = 1_780_315_200, 3600, 365 * 86400
CA_KEY = ec.derive_private_key(5, ec.SECP256R1())
OTHER_KEY = ec.derive_private_key(6, ec.SECP256R1())
LEAF_KEY = jws.public_jwk(ec.derive_private_key(7, ec.SECP256R1()))
ID = "spiffe://example.org/agent/bot"


def authority(key: ec.EllipticCurvePrivateKey = CA_KEY, domain: str = "example.org") -> x509_svid.Authority:
    der = x509_svid.authority(key, domain, 1 << 127, NOW - 30, NOW + YEAR)
    return x509_svid.load(base64.b64encode(der).decode())


def svid(
    key: dict[str, str] = LEAF_KEY, serial: int = 3, name: str = ID, by: ec.EllipticCurvePrivateKey = CA_KEY
) -> x509.Certificate:
    der = x509_svid.sign(x509_svid.Svid(name, key, serial, NOW - 30, NOW + HOUR), authority(by), by)
    return x509.load_der_x509_certificate(der)


def extensions(found: x509.Certificate) -> dict[str, tuple[bool, Any]]:
    return {type(e.value).__name__: (e.critical, e.value) for e in found.extensions}


def used(value: x509.KeyUsage) -> set[str]:
    plain = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign",
    )  # fmt: skip
    return {name for name in plain if getattr(value, name)}


@pytest.mark.parametrize(
    "key", [LEAF_KEY, ec_jwk("ES384"), rsa_jwk(rsa_private().public_key())], ids=["P256", "P384", "RSA"]
)
def test_the_svid(key: dict[str, str]) -> None:
    found, by = svid(key), authority().certificate
    has = extensions(found)
    assert set(has) == {
        "BasicConstraints", "KeyUsage", "ExtendedKeyUsage", "SubjectAlternativeName", "SubjectKeyIdentifier",
        "AuthorityKeyIdentifier",
    }  # fmt: skip
    assert has["BasicConstraints"] == (True, x509.BasicConstraints(ca=False, path_length=None))
    assert has["KeyUsage"][0] is True
    assert used(has["KeyUsage"][1]) == {"digital_signature"}
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    assert has["ExtendedKeyUsage"] == (False, x509.ExtendedKeyUsage(purposes))
    assert has["SubjectAlternativeName"][0] is True, "the subject is empty"
    assert list(has["SubjectAlternativeName"][1]) == [x509.UniformResourceIdentifier(ID)]
    assert has["AuthorityKeyIdentifier"][1].key_identifier == extensions(by)["SubjectKeyIdentifier"][1].digest
    assert (list(found.subject), found.issuer, found.serial_number) == ([], by.subject, 3)
    assert found.version is x509.Version.v3
    assert (found.not_valid_before_utc, found.not_valid_after_utc) == (
        datetime.fromtimestamp(NOW - 30, UTC), datetime.fromtimestamp(NOW + HOUR, UTC),
    )  # fmt: skip
    assert found.signature_algorithm_oid == x509.oid.SignatureAlgorithmOID.ECDSA_WITH_SHA256
    found.verify_directly_issued_by(by)


def test_the_authority() -> None:
    found = authority().certificate
    has = extensions(found)
    assert set(has) == {"BasicConstraints", "KeyUsage", "SubjectAlternativeName", "SubjectKeyIdentifier"}
    assert has["BasicConstraints"] == (True, x509.BasicConstraints(ca=True, path_length=0))
    assert has["KeyUsage"][0] is True
    assert used(has["KeyUsage"][1]) == {"key_cert_sign"}
    assert list(has["SubjectAlternativeName"][1]) == [x509.UniformResourceIdentifier("spiffe://example.org")]
    assert list(found.subject), "an authority has a name (RFC 5280 §4.1.2.6)"
    assert found.subject == found.issuer
    assert certificate.is_authority(found)
    assert certificate.holds(found, CA_KEY.public_key())
    assert (authority().not_before_s, authority().not_after_s) == (NOW - 30, NOW + YEAR)
    found.verify_directly_issued_by(found)


def test_two_authorities_of_a_domain_have_two_names() -> None:
    first, second = (x509_svid.authority(CA_KEY, "example.org", n, NOW, NOW + 1) for n in (1, 2))
    assert x509.load_der_x509_certificate(first).subject != x509.load_der_x509_certificate(second).subject


def verified(leaf: x509.Certificate, *anchors: x509.Certificate, at: int = NOW) -> list[x509.GeneralName] | None:
    """The names by cryptography's path validation, written in Rust after RFC 5280 and the rules of browsers."""
    policy = PolicyBuilder().store(Store(list(anchors))).time(datetime.fromtimestamp(at, UTC).replace(tzinfo=None))
    return policy.build_client_verifier().verify(leaf, []).subjects


@pytest.mark.parametrize(
    "key", [LEAF_KEY, ec_jwk("ES384"), rsa_jwk(rsa_private().public_key())], ids=["P256", "P384", "RSA"]
)
def test_another_implementation_takes_it(key: dict[str, str]) -> None:
    anchors = [authority(OTHER_KEY).certificate, authority().certificate]
    assert verified(svid(key), *anchors) == [x509.UniformResourceIdentifier(ID)]
    assert verified(svid(key), *anchors, at=NOW - 30)
    assert verified(svid(key), *anchors, at=NOW + HOUR)


@pytest.mark.parametrize(
    ("leaf", "anchor", "at"),
    [
        (svid(), authority(OTHER_KEY).certificate, NOW),
        (svid(by=OTHER_KEY), authority().certificate, NOW),
        (svid(), authority().certificate, NOW + HOUR + 1),
        (svid(), authority().certificate, NOW - 31),
        (authority().certificate, authority().certificate, NOW),
    ],
    ids=["another authority", "signed by another", "over", "not yet", "the authority as a leaf"],
)
def test_and_refuses_others(leaf: x509.Certificate, anchor: x509.Certificate, at: int) -> None:
    with pytest.raises(VerificationError):
        verified(leaf, anchor, at=at)


def test_an_svid_signs_no_other() -> None:
    """Somebody who has an SVID makes a certificate with it: the path does not hold."""
    mine = ec.derive_private_key(7, ec.SECP256R1())
    by = x509_svid.Authority(svid(), NOW, NOW + HOUR)
    forged = x509.load_der_x509_certificate(x509_svid.sign(x509_svid.Svid(ID, LEAF_KEY, 9, NOW, NOW + 60), by, mine))
    assert x509_svid.load(base64.b64encode(forged.public_bytes(Encoding.DER)).decode()), "well formed"
    policy = PolicyBuilder().store(Store([authority().certificate])).time(datetime.fromtimestamp(NOW, UTC))
    with pytest.raises(VerificationError, match=r"(?i)CA|constraint|issuer"):
        policy.build_client_verifier().verify(forged, [svid()])


DOMAINS = st.text("abcdefghijklmnopqrstuvwxyz0123456789.-_", min_size=1, max_size=255)
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?", fullmatch=True)


@given(domain=DOMAINS, name=NAMES, serial=st.integers(1, (1 << 128) - 1))
def test_whatever_the_names(domain: str, name: str, serial: int) -> None:
    assert spiffe.domain_fault(domain) is None
    by, wanted = authority(domain=domain), spiffe.agent_id(domain, name)
    der = x509_svid.sign(x509_svid.Svid(wanted, LEAF_KEY, serial, NOW, NOW + 60), by, CA_KEY)
    found = x509.load_der_x509_certificate(der)
    (only,) = extensions(found)["SubjectAlternativeName"][1]
    assert only.value == wanted
    assert found.serial_number == serial
    assert len(found.public_bytes(Encoding.DER)) < 1600
    found.verify_directly_issued_by(by.certificate)


def test_pem() -> None:
    one = authority()
    assert x509.load_pem_x509_certificate(x509_svid.pem(one.der()).encode()) == one.certificate
    scalar = jws.new_private(b"7" * 40)
    text = x509_svid.private_pem(scalar)
    assert text.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert load_pem_private_key(text, None).private_numbers().private_value == int.from_bytes(scalar, "big")  # type: ignore[union-attr]
