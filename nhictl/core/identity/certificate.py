"""X.509 certificates as others give them: in a bundle's `x5c`, standard base64 (RFC 7517 §4.7), or a TLS client's, in PEM."""

from __future__ import annotations

import base64
import warnings
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from nhictl.core.token import jwk
from nhictl.core.token.algorithms import PublicKey

_BEGIN: Final = b"-----BEGIN "


def parse(text: str) -> x509.Certificate:
    """The certificate in one `x5c` entry: canonical padded base64 of DER; ValueError otherwise."""
    try:
        der = base64.b64decode(text.encode("ascii"), validate=True)
        if base64.b64encode(der).decode() != text:
            raise ValueError("not canonical base64")
    except ValueError as e:
        raise ValueError("is not standard base64") from e
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library's opinions about old certificates; faults are exceptions
            return x509.load_der_x509_certificate(der)
    except ValueError as e:
        raise ValueError("is no DER certificate") from e


def holds(certificate: x509.Certificate, key: PublicKey) -> bool:
    """Whether the certificate is about this very key."""
    try:
        return certificate.public_key() == key
    except (ValueError, UnsupportedAlgorithm):
        return False


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may sign certificates: CA true and, where key usage is stated, keyCertSign (X509-SVID §4.1)."""
    try:
        if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound as e:
        return e.oid == x509.KeyUsage.oid
    except ValueError:
        return False


class CertificateFaultError(ValueError):
    """Not the one certificate of a client in PEM (RFC 7468 §5); `code` names the fault."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def der_of(pem: bytes) -> bytes:
    """The certificate in DER; CertificateFaultError for anything else in the file, a chain or a private key included."""
    if b"PRIVATE KEY" in pem:
        raise CertificateFaultError("key_private", "the file holds a private key: name the certificate alone")
    found = pem.count(_BEGIN)
    if found != pem.count(_BEGIN + b"CERTIFICATE-----") or found != 1:
        raise CertificateFaultError(
            "certificate_malformed", f"{found} PEM blocks, not the client's own certificate alone"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # the library's opinions about old certificates: nothing of it is judged here
            return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm) as e:
        raise CertificateFaultError("certificate_malformed", "not a certificate that can be read") from e


def key_thumbprint(der: bytes) -> str:
    """The RFC 7638 thumbprint of a certificate's public key; KeyFaultError for a kind that no proof is made with."""
    from nhictl.core.identity import csr

    return jwk.thumbprint(csr.jwk_of(x509.load_der_x509_certificate(der)))
