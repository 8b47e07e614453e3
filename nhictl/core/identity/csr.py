"""A certificate signing request (PKCS #10, RFC 2986), of which the key is taken and nothing else.

The signature on a request is the proof that whoever made it holds the private key. The requested subject is passed over:
an SVID's name is its SPIFFE ID. But what is asked for and would not be given, another name or the powers of an
authority, is refused rather than dropped, because who asked would find out in production only.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from nhictl.core.token import b64, jwk, jws
from nhictl.errors import InputError

MAX_BYTES: Final = 65536
MAX_RSA_BITS: Final = 8192
"""Beyond it Go's TLS refuses the certificate, and with it every Go peer the connection."""
_BEGIN: Final = b"-----BEGIN "
_LABELS: Final = (b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST")
_CURVES: Final = {"secp256r1": ("P-256", 32), "secp384r1": ("P-384", 48)}
_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_PURPOSES: Final = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
_UNDERSTOOD: Final = (x509.BasicConstraints, x509.KeyUsage, x509.SubjectAlternativeName, x509.SubjectKeyIdentifier)


class Requested(NamedTuple):
    """The public key of a sound request, as JWK, and its RFC 7638 thumbprint."""

    jwk: dict[str, str]
    kid: str


class _RefusedError(ValueError):
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def read(data: bytes, file: str, spiffe_id: str) -> Requested:
    """The key of a request in PEM or DER, made by its holder and asking for no more than an SVID of `spiffe_id` has.

    InputError (2) with the reason code: `csr_malformed csr_signature_invalid csr_hash_weak csr_ca csr_name_mismatch
    csr_extension`, or that of the key, `key_too_small key_weak key_unsupported key_malformed key_private`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library's opinions about old requests; faults are exceptions
            request = _parse(data)
            found = _key(request)
            _check_signature(request)
            for reason, message in _excesses(request, spiffe_id):
                raise _RefusedError(reason, message)
    except (_RefusedError, jws.KeyFaultError) as e:
        what = "the request" if isinstance(e, _RefusedError) else "the request's key"
        hint = f"ask for URI:{spiffe_id} or for no name at all" if e.reason == "csr_name_mismatch" else None
        raise InputError(f"{what} {e}", file=file, code=e.reason, hint=hint) from e
    return Requested(found, jws.thumbprint(found))


def _parse(data: bytes) -> x509.CertificateSigningRequest:
    text = data.strip()
    if len(data) > MAX_BYTES:
        raise _RefusedError("csr_malformed", f"is over {MAX_BYTES} bytes")
    pem = text.startswith(_BEGIN)
    if pem:
        if text.count(_BEGIN) != 1:
            raise _RefusedError("csr_malformed", "file holds more than one PEM block")
        label = text[len(_BEGIN) :].split(b"-----", 1)[0]
        if b"PRIVATE KEY" in label:
            raise _RefusedError(
                "key_private", "is a private key, which stays with its holder; give a request made with it"
            )
        if label not in _LABELS:
            shown = label[:40].decode("ascii", "replace")
            raise _RefusedError("csr_malformed", f"is not a PEM `CERTIFICATE REQUEST` but a `{shown}`")
    try:
        return x509.load_pem_x509_csr(text) if pem else x509.load_der_x509_csr(data)
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm) as e:
        raise _RefusedError("csr_malformed", "is no PKCS #10 request that can be read") from e


def _key(request: x509.CertificateSigningRequest) -> dict[str, str]:
    """The public key as a JWK: RSA of 2,048 to 8,192 bits, P-256 or P-384, which every TLS library takes."""
    return jwk_of(request)


def jwk_of(request: x509.CertificateSigningRequest | x509.Certificate) -> dict[str, str]:
    """The public key of a request or certificate as a JWK; KeyFaultError for a kind that not every TLS library takes."""
    try:
        key = request.public_key()
    except UnsupportedAlgorithm as e:
        raise jws.KeyFaultError("key_unsupported", "is of no kind known here") from e
    except ValueError as e:
        raise jws.KeyFaultError("key_malformed", "cannot be read") from e
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        if numbers.n.bit_length() > MAX_RSA_BITS:
            raise jws.KeyFaultError("key_unsupported", f"has over {MAX_RSA_BITS} bits: not every TLS library takes it")
        found = {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
    elif isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        curve, size = _CURVES[key.curve.name]
        point = key.public_numbers()
        found = {"kty": "EC", "crv": curve, "x": _number(point.x, size), "y": _number(point.y, size)}
    else:
        raise jws.KeyFaultError("key_unsupported", "is not on P-256 or P-384, nor RSA: not every TLS library takes it")
    jwk.public(found)
    return found


def _number(value: int, size: int | None = None) -> str:
    return b64.encode(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def _check_signature(request: x509.CertificateSigningRequest) -> None:
    try:
        algorithm = request.signature_hash_algorithm
    except UnsupportedAlgorithm:
        algorithm = None
    if not isinstance(algorithm, _HASHES):
        raise _RefusedError("csr_hash_weak", "is not signed with SHA-256, SHA-384 or SHA-512")
    try:
        sound = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm):
        sound = False
    if not sound:
        raise _RefusedError("csr_signature_invalid", "is not signed by its own key: nothing shows who holds that key")


def _excesses(request: x509.CertificateSigningRequest, spiffe_id: str) -> Iterator[tuple[str, str]]:
    """What is asked for beyond an SVID. None of it would be given: a certificate is made of our values alone."""
    try:
        extensions = list(request.extensions)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as e:
        raise _RefusedError("csr_malformed", "asks for extensions that cannot be read") from e
    for extension in extensions:
        asked: Any = extension.value
        if isinstance(asked, x509.BasicConstraints) and asked.ca:
            yield "csr_ca", "asks for the certificate of an authority (CA:TRUE)"
        elif isinstance(asked, x509.KeyUsage) and (asked.key_cert_sign or asked.crl_sign):
            yield "csr_ca", "asks for the key usage of an authority (keyCertSign, cRLSign)"
        elif isinstance(asked, x509.SubjectAlternativeName):
            if list(asked) != [x509.UniformResourceIdentifier(spiffe_id)]:
                yield "csr_name_mismatch", "asks for other names than the agent's SPIFFE ID"
        elif isinstance(asked, x509.ExtendedKeyUsage):
            if not set(asked) <= _PURPOSES:
                yield "csr_extension", "asks for other purposes than those of a TLS server and client"
        elif not isinstance(asked, _UNDERSTOOD):
            yield "csr_extension", f"asks for the extension {extension.oid.dotted_string}, which an SVID does not have"
