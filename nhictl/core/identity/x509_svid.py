"""X.509-SVIDs and the certificate of the authority that signs them (SPIFFE X509-SVID §3, §4; RFC 5280).

Whoever calls hands in keys, serial numbers and times, in seconds since the epoch; the last second of a certificate is
`not_after` itself (RFC 5280 §4.1.2.5). Nonces of signatures are the library's: OpenSSL mixes the private key and the
message into them, so that a bad random source does not give the key away.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nhictl.core.identity import certificate
from nhictl.core.token import jwk, jws

NAME: Final = "nhictl X.509-SVID authority"


class Authority(NamedTuple):
    """The certificate of an authority, and the seconds between which it is good."""

    certificate: x509.Certificate
    not_before_s: int
    not_after_s: int

    def der(self) -> bytes:
        """The certificate as it is published."""
        return self.certificate.public_bytes(Encoding.DER)


class Svid(NamedTuple):
    """What is certified: whose, until when, under which number."""

    spiffe_id: str
    key: dict[str, str]
    serial: int
    not_before_s: int
    not_after_s: int


def authority(key: ec.EllipticCurvePrivateKey, domain: str, serial: int, not_before_s: int, not_after_s: int) -> bytes:
    """A self-signed certificate for the authority of a trust domain, DER.

    It may sign SVIDs and no further authority (path length 0), and no CRL, since we publish none. There are no name
    constraints: SPIFFE warns of them (§4.2), as libraries that do not know them for URIs refuse the whole chain. The
    subject holds the serial number, so that two authorities of one domain have two names.
    """
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, NAME),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, f"{serial:032x}"),
        ]
    )
    public = key.public_key()
    made = _builder(subject, subject, public, serial, not_before_s, not_after_s)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    made = made.add_extension(_usage(authority=True), critical=True)
    made = made.add_extension(_names(f"spiffe://{domain}"), critical=False)
    made = made.add_extension(x509.SubjectKeyIdentifier(_key_id(public)), critical=False)
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def load(x5c: str) -> Authority:
    """The authority of one `x5c` entry; ValueError if it is no certificate."""
    found = certificate.parse(x5c)
    return Authority(
        found, int(found.not_valid_before_utc.timestamp()), int(found.not_valid_after_utc.timestamp())
    )  # fmt: skip


def sign(asked: Svid, by: Authority, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The certificate of an SVID, DER.

    Its one name is the SPIFFE ID. The subject is empty, and so the name critical (RFC 5280 §4.2.1.6): a common name would
    be taken for a host's by libraries that find no DNS name, and agent names may look like hosts.
    """
    public = jwk.public(asked.key)
    if not isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise TypeError("an SVID is for an EC or RSA key")
    made = _builder(
        x509.Name([]), by.certificate.subject, public, asked.serial, asked.not_before_s, asked.not_after_s
    )  # fmt: skip
    made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    made = made.add_extension(_usage(authority=False), critical=True)
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    made = made.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    made = made.add_extension(_names(asked.spiffe_id), critical=True)
    made = made.add_extension(x509.SubjectKeyIdentifier(_key_id(public)), critical=False)
    issuer = by.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    made = made.add_extension(x509.AuthorityKeyIdentifier(issuer, None, None), critical=False)
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def pem(der: bytes) -> str:
    """A certificate as PEM (RFC 7468 §5)."""
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()


def private_pem(scalar: bytes) -> bytes:
    """A P-256 private key as unencrypted PKCS #8 in PEM, which is what TLS libraries load."""
    key = jws.private_from_bytes(scalar)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, serial: int,
    not_before_s: int, not_after_s: int,
) -> x509.CertificateBuilder:  # fmt: skip
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(datetime.fromtimestamp(not_before_s, UTC))
        .not_valid_after(datetime.fromtimestamp(not_after_s, UTC))
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    """keyCertSign, or digitalSignature: all that TLS with an ephemeral key exchange needs, for RSA keys too (§4.3)."""
    return x509.KeyUsage(
        digital_signature=not authority, key_cert_sign=authority, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _names(spiffe_id: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(spiffe_id)])


def _key_id(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> bytes:
    """160 bits of the SHA-256 of the key's bit string (RFC 7093 §2, method 1)."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        bits = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    else:
        bits = key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return sha256(bits).digest()[:20]
