"""A signing request gives a key and nothing else; what asks for more, or is not its holder's, is refused by a code."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from nhictl.core.identity import csr
from nhictl.core.token import jwk, jws
from nhictl.errors import InputError
from tests.core.identity.csr_requests import (
    ID,
    P256,
    anothers,
    forged,
    off_curve,
    pem,
    request,
    roca_modulus,
    rsa_key,
    uri,
    usage,
    with_modulus,
)  # fmt: skip

PURPOSES = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
UPN = x509.OtherName(ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01a")


def names(*more: Any) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(ID), *more])


SOUND = {
    "DER": request(),
    "PEM": pem(request()),
    "PEM of old": pem(request(), "NEW CERTIFICATE REQUEST"),
    "PEM with lines around it": b"\n" + pem(request()) + b"\n\n",
    "no subject": request(subject=x509.Name([])),
    "P-384": request(key=ec.derive_private_key(77, ec.SECP384R1()), digest=hashes.SHA384()),
    "RSA of 2048 bits": request(key=rsa_key(2048)),
    "SHA-512": request(digest=hashes.SHA512()),
    "its own name": request(names()),
    "what an SVID has": request(
        names(), usage(digital_signature=True), x509.ExtendedKeyUsage(PURPOSES),
        x509.BasicConstraints(ca=False, path_length=None), x509.SubjectKeyIdentifier(b"1" * 20),
    ),
    "more usage than it will have": request(usage(digital_signature=True, key_encipherment=True)),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_the_key_is_taken(name: str) -> None:
    found = csr.read(SOUND[name], "r", ID)
    assert found.kid == jws.thumbprint(found.jwk) == jwk.thumbprint(found.jwk)
    data = SOUND[name]
    request_ = x509.load_pem_x509_csr(data.strip()) if b"-----" in data else x509.load_der_x509_csr(data)
    assert jwk.public(found.jwk) == request_.public_key()


REFUSED: dict[str, tuple[bytes, str]] = {
    "CA:TRUE": (request(x509.BasicConstraints(ca=True, path_length=None)), "csr_ca"),
    "CA:TRUE, not the first": (request(names(), x509.BasicConstraints(ca=True, path_length=0)), "csr_ca"),
    "keyCertSign": (request(usage(digital_signature=True, key_cert_sign=True)), "csr_ca"),
    "cRLSign": (request(usage(digital_signature=True, crl_sign=True)), "csr_ca"),
    "another agent": (request(uri("spiffe://example.org/agent/other")), "csr_name_mismatch"),
    "another domain": (request(uri("spiffe://example.com/agent/bot")), "csr_name_mismatch"),
    "the domain itself": (request(uri("spiffe://example.org")), "csr_name_mismatch"),
    "upper case": (request(uri(ID.upper())), "csr_name_mismatch"),
    "twice": (request(uri(ID, ID)), "csr_name_mismatch"),
    "and another": (request(uri(ID, "spiffe://example.org/agent/other")), "csr_name_mismatch"),
    "and a host": (request(names(x509.DNSName("db.example.org"))), "csr_name_mismatch"),
    "a host": (request(x509.SubjectAlternativeName([x509.DNSName("a.example.org")])), "csr_name_mismatch"),
    "a mailbox": (request(names(x509.RFC822Name("a@example.org"))), "csr_name_mismatch"),
    "a principal": (request(names(UPN)), "csr_name_mismatch"),
    "code signing": (request(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])), "csr_extension"),
    "any purpose": (
        request(x509.ExtendedKeyUsage([*PURPOSES, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])), "csr_extension",
    ),
    "name constraints": (
        request(x509.NameConstraints([x509.DNSName("example.org")], None)), "csr_extension",
    ),
    "an extension nobody knows": (
        request(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")), "csr_extension",
    ),
    "RSA of 1024 bits": (request(key=rsa_key(1024)), "key_too_small"),
    "RSA with the mark of ROCA": (with_modulus(roca_modulus()), "key_weak"),
    "RSA with an even modulus": (with_modulus((1 << 2047) + 2), "key_malformed"),
    "P-521": (request(key=ec.derive_private_key(77, ec.SECP521R1())), "key_unsupported"),
    "secp256k1": (request(key=ec.derive_private_key(77, ec.SECP256K1())), "key_unsupported"),
    "P-224": (request(key=ec.derive_private_key(77, ec.SECP224R1())), "key_unsupported"),
    "Ed25519": (request(key=ed25519.Ed25519PrivateKey.from_private_bytes(b"1" * 32)), "key_unsupported"),
    "not on the curve": (off_curve(), "key_malformed"),
    "SHA-224": (request(digest=hashes.SHA224()), "csr_hash_weak"),
    "forged": (forged(), "csr_signature_invalid"),
    "another's key": (anothers(), "csr_signature_invalid"),
    "a version that does not exist": (request().replace(b"\x02\x01\x00", b"\x02\x01\x01", 1), "csr_malformed"),
    "nothing": (b"", "csr_malformed"),
    "text": (b"hello", "csr_malformed"),
    "cut short": (request()[:-1], "csr_malformed"),
    "more behind it": (request() + b"\0", "csr_malformed"),
    "two": (pem(request()) * 2, "csr_malformed"),
    "a certificate": (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "csr_malformed"),
    "a private key": (b"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", "key_private"),
    "broken PEM": (b"-----BEGIN CERTIFICATE REQUEST-----\n!!\n-----END CERTIFICATE REQUEST-----\n", "csr_malformed"),
    "too much": (request() + bytes(csr.MAX_BYTES), "csr_malformed"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name: str) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(InputError) as caught:
        csr.read(data, "r.pem", ID)
    assert (caught.value.code, caught.value.exit) == (reason, 2), caught.value.message
    assert caught.value.message.startswith("r.pem: the request")


def test_a_huge_modulus_is_not_computed_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bits are counted before anything is verified."""
    data = request(key=rsa_key(2048))
    assert csr.read(data, "r", ID).kid, "positive control"
    monkeypatch.setattr(csr, "MAX_RSA_BITS", 2047)
    monkeypatch.setattr(csr, "_check_signature", lambda _: pytest.fail("verified"))
    with pytest.raises(InputError) as caught:
        csr.read(data, "r", ID)
    assert caught.value.code == "key_unsupported"


ASKED = request(names(), key=P256)
SIGNED = ASKED.index(x509.load_der_x509_csr(ASKED).tbs_certrequest_bytes)


@given(
    place=st.integers(SIGNED, SIGNED + len(x509.load_der_x509_csr(ASKED).tbs_certrequest_bytes) - 1),
    bit=st.integers(0, 7),
)
def test_no_bit_can_be_turned(place: int, bit: int) -> None:
    """Every bit of what is asked for is covered by the signature, or by its form."""
    der = bytearray(ASKED)
    der[place] ^= 1 << bit
    with pytest.raises(InputError) as caught:
        csr.read(bytes(der), "r", ID)
    assert caught.value.exit == 2
