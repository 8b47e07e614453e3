"""An agent's own public key, read from a JWK (RFC 7517) or a PEM SubjectPublicKeyInfo (RFC 7468 §13): P-256 only.

One algorithm is enough: every relying party takes ES256, and a key that only some of them take is a key that fails in
production. Other kinds are refused by name. What is kept is the bare public JWK, whatever it came as.
"""

from __future__ import annotations

from typing import Any, Final

from nhictl.core import strict_json
from nhictl.core.token import jws
from nhictl.errors import InputError

MAX_BYTES: Final = 65536
_BEGIN: Final = b"-----BEGIN "
_CURVES: Final = ("P-256", "P-384", "P-521", "secp256k1", "Ed25519", "Ed448", "X25519", "X448")


def parse_public(data: bytes, file: str) -> dict[str, str]:
    """The P-256 public JWK in `data`; InputError with the reason code for a private, foreign or broken one."""
    text = data.strip()
    try:
        return _from_pem(text) if text.startswith(_BEGIN) else _from_jwk(data, file)
    except jws.KeyFaultError as e:
        hint = "register the public part only" if e.reason == "key_private" else None
        raise InputError(f"the key {e}", file=file, code=e.reason, hint=hint) from e


def _from_jwk(data: bytes, file: str) -> dict[str, str]:
    try:
        jwk = strict_json.loads(data)
    except strict_json.StrictJSONError as e:
        raise InputError(
            f"neither a JWK nor a PEM public key: {e}", file=file, line=e.line, column=e.column, code="key_malformed"
        ) from e
    if not isinstance(jwk, dict):
        raise InputError("not a JWK: no object", file=file, code="key_malformed")
    if "d" not in jwk and "k" not in jwk and (kind := _kind_of_jwk(jwk)):
        raise _foreign(kind)
    public = jws.public_jwk(jws.load_public(jwk))
    if "kid" in jwk and not isinstance(jwk["kid"], str):
        raise InputError("the key's `kid` is no string", file=file, code="key_malformed")
    return public


def _kind_of_jwk(jwk: dict[str, Any]) -> str | None:
    """What kind of key it is, if it is not P-256; a name that is not known is not repeated."""
    kty = jwk.get("kty")
    crv = jwk.get("crv") if jwk.get("crv") in _CURVES else "an unknown curve"
    if kty == "EC":
        return None if crv == "P-256" else f"an EC key on {crv}"
    if kty == "OKP":
        return f"an octet key on {crv}"
    return "an RSA key" if kty == "RSA" else "a key of an unknown type"


def _foreign(kind: str) -> jws.KeyFaultError:
    return jws.KeyFaultError("key_alg_mismatch", f"is {kind}; an agent's own key is on P-256")


def _from_pem(text: bytes) -> dict[str, str]:
    if len(text) > MAX_BYTES or text.count(_BEGIN) != 1:
        raise jws.KeyFaultError("key_malformed", "file holds more than one PEM block")
    label = text[len(_BEGIN) :].split(b"-----", 1)[0]
    if b"PRIVATE KEY" in label:
        raise jws.KeyFaultError("key_private", "is a private one")
    if label != b"PUBLIC KEY":
        shown = label[:40].decode("ascii", "replace")
        raise jws.KeyFaultError("key_malformed", f"is not a PEM `PUBLIC KEY` but a `{shown}`")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(text)
    except (ValueError, TypeError, UnsupportedAlgorithm) as e:
        raise jws.KeyFaultError("key_malformed", "is no PEM public key that can be read") from e
    if isinstance(key, rsa.RSAPublicKey):
        raise _foreign("an RSA key")
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise _foreign(f"an octet key on {type(key).__name__.removesuffix('PublicKey')}")
    if not isinstance(key.curve, ec.SECP256R1):
        raise _foreign(f"an EC key on {key.curve.name}")
    return jws.public_jwk(key)
