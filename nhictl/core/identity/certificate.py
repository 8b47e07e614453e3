"""What a bundle's `x5c` entry holds: one X.509 certificate in standard base64 (RFC 7517 §4.7)."""

from __future__ import annotations

import base64
import warnings

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from nhictl.core.token.algorithms import PublicKey


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
