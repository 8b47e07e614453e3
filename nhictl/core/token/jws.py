"""ES256 signatures over compact JWS (RFC 7515 §5, RFC 7518 §3.4) and the public keys that check them (RFC 7517, 7638)."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from nhictl.core.token import b64

_CURVE: Final = ec.SECP256R1()
_SIGN: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
_VERIFY: Final = ec.ECDSA(hashes.SHA256())
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class KeyFaultError(ValueError):
    """A key cannot be used; `reason` is the code of verification step 9."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def private_from_bytes(raw: bytes) -> ec.EllipticCurvePrivateKey:
    """The P-256 key of a 32-byte scalar."""
    return ec.derive_private_key(int.from_bytes(raw, "big"), _CURVE)


def new_private(random: bytes) -> bytes:
    """A P-256 scalar, uniform within 2^-64, from 40 random bytes (FIPS 186-5 A.2.1)."""
    return (int.from_bytes(random, "big") % (_ORDER - 1) + 1).to_bytes(32, "big")


def public_jwk(key: ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) -> dict[str, str]:
    """The public JWK of a P-256 key: `kty crv x y` and nothing else."""
    public = key.public_key() if isinstance(key, ec.EllipticCurvePrivateKey) else key
    numbers = public.public_numbers()
    x, y = (b64.encode(n.to_bytes(32, "big")) for n in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def thumbprint(jwk: dict[str, Any]) -> str:
    """RFC 7638 SHA-256 thumbprint of an EC, OKP or RSA public key, base64url; ValueError if members are missing."""
    members = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}
    wanted = members.get(str(jwk.get("kty")))
    if wanted is None or not all(isinstance(jwk.get(m), str) for m in wanted):
        raise ValueError("not a public key that has a thumbprint")
    text = json.dumps({m: jwk[m] for m in wanted}, separators=(",", ":"))
    return b64.encode(sha256(text.encode()).digest())


def load_public(jwk: dict[str, Any]) -> ec.EllipticCurvePublicKey:
    """The P-256 public key of a JWK; KeyFaultError with the code of step 9 if it is not one to verify with."""
    if "d" in jwk or "k" in jwk:
        raise KeyFaultError("key_private", "holds a private or secret member")
    if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256" or jwk.get("alg", "ES256") != "ES256":
        raise KeyFaultError("key_alg_mismatch", "is not a P-256 key for ES256")
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise KeyFaultError("key_use_mismatch", "is not for verifying signatures")
    try:
        x, y = (b64.decode(jwk[m]) for m in ("x", "y"))
        if len(x) != 32 or len(y) != 32:
            raise ValueError("coordinates are not 32 bytes")
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, b"\x04" + x + y)
    except (KeyError, TypeError, AttributeError, ValueError) as e:
        raise KeyFaultError("key_alg_mismatch", f"is not a point on P-256: {e}") from e


def sign(header: dict[str, Any], payload: bytes, key: ec.EllipticCurvePrivateKey) -> str:
    """A compact JWS, signed deterministically (RFC 6979) so that a bad random source cannot give the key away."""
    head = json.dumps(header, separators=(",", ":")).encode()
    signed = f"{b64.encode(head)}.{b64.encode(payload)}"
    r, s = decode_dss_signature(key.sign(signed.encode(), _SIGN))
    return f"{signed}.{b64.encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def verify(signed: bytes, signature: bytes, key: ec.EllipticCurvePublicKey) -> bool:
    """Whether `signature` (r ‖ s, 64 bytes) is the key's over `signed`."""
    if len(signature) != 64:
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < _ORDER and 0 < s < _ORDER):
        return False
    try:
        key.verify(encode_dss_signature(r, s), signed, _VERIFY)
    except InvalidSignature:
        return False
    return True
