"""Signing requests of every kind, sound and not."""

from __future__ import annotations

from functools import cache
from math import prod
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

ID: Final = "spiffe://example.org/agent/bot"
SHA256: Final = hashes.SHA256()
P256: Final = ec.derive_private_key(77, ec.SECP256R1())
USUAL: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whatever")])


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def uri(*names: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name) for name in names])


def usage(**set_: bool) -> x509.KeyUsage:
    every = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: set_.get(name, False) for name in every})


def request(
    *extensions: x509.ExtensionType, key: Any = P256, subject: x509.Name = USUAL, digest: Any = SHA256
) -> bytes:
    """A request in DER."""
    made = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension in extensions:
        made = made.add_extension(extension, critical=True)
    return made.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else digest).public_bytes(Encoding.DER)


def pem(der: bytes, label: str = "CERTIFICATE REQUEST") -> bytes:
    text = x509.load_der_x509_csr(der).public_bytes(Encoding.PEM).decode()
    return text.replace("CERTIFICATE REQUEST", label).encode()


def with_modulus(modulus: int) -> bytes:
    """A request whose RSA modulus was replaced; its signature is no longer one."""
    der = request(key=rsa_key(2048))
    old = rsa_key(2048).public_key().public_numbers().n.to_bytes(256, "big")
    assert der.count(old) == 1
    return der.replace(old, modulus.to_bytes(256, "big"))


def roca_modulus() -> int:
    """2,048 bits with the mark of CVE-2017-15361: a power of 65537 modulo every small prime."""
    small = prod(n for n in range(3, 168, 2) if all(n % d for d in range(3, n, 2)))
    found = (1 << 2047) // small * small + small + pow(65537, 5, small)
    return found if found % 2 else found + small


def off_curve() -> bytes:
    """A request for a point that is not on the curve."""
    der = request()
    y = P256.public_key().public_numbers().y.to_bytes(32, "big")
    assert der.count(y) == 1
    return der.replace(y, y[:-1] + bytes([y[-1] ^ 1]))


def forged() -> bytes:
    """A request with one bit of its signature turned."""
    der = bytearray(request())
    der[-3] ^= 1
    return bytes(der)


def anothers() -> bytes:
    """Another's key under one's own signature: what somebody sends who wants a name tied to a key that is not theirs."""
    mine, other = P256.public_key().public_numbers(), ec.derive_private_key(78, ec.SECP256R1()).public_key()
    der = request()
    for name in ("x", "y"):
        old = getattr(mine, name).to_bytes(32, "big")
        assert der.count(old) == 1
        der = der.replace(old, getattr(other.public_numbers(), name).to_bytes(32, "big"))
    return der
