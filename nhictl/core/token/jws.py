"""ES256 signatures over compact JWS (RFC 7515 §5, RFC 7518 §3.4) and the public keys that check them (RFC 7517, 7638)."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from nhictl.core import strict_json
from nhictl.core.token import b64

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET: Final = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))
"""Members that hold a private or symmetric key (RFC 7518 §6, RFC 8037 §2)."""
_CURVE: Final = ec.SECP256R1()
_SIGN: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
_VERIFY: Final = ec.ECDSA(hashes.SHA256())
ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


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
    return (int.from_bytes(random, "big") % (ORDER - 1) + 1).to_bytes(32, "big")


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
    text = json.dumps({m: jwk[m] for m in wanted}, separators=(",", ":"), ensure_ascii=False)
    return b64.encode(sha256(text.encode()).digest())


def faults(
    jwk: dict[str, Any], kty: str, crv: str | None, algorithms: tuple[str, ...], use: str = "sig"
) -> Iterator[tuple[str, str]]:
    """What speaks against a JWK as a public key of that kind, as (code of step 9, sentence); its numbers are not read."""
    if not SECRET.isdisjoint(jwk):
        yield "key_private", "holds a private or secret member"
    if jwk.get("kty") != kty or jwk.get("crv") != crv or jwk.get("alg", algorithms[0]) not in algorithms:
        yield "key_alg_mismatch", f"is no {crv or kty} key for {' or '.join(algorithms)}"
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", use) != use or not isinstance(operations, list) or "verify" not in operations:
        yield "key_use_mismatch", "is not for verifying signatures"


def octets(jwk: dict[str, Any], name: str, size: int | None = None) -> bytes:
    """The bytes of a member in canonical base64url, `size` of them if given; ValueError otherwise."""
    text = jwk.get(name)
    if not isinstance(text, str):
        raise ValueError(f"`{name}` is {'no string' if name in jwk else 'missing'}")  # noqa: TRY004  # one error for all faults
    try:
        data = b64.decode(text)
    except ValueError as e:
        raise ValueError(f"`{name}` is {e}") from e
    if size is not None and len(data) != size:
        raise ValueError(f"`{name}` has {len(data)} bytes, not {size}")
    return data


def point(jwk: dict[str, Any], curve: ec.EllipticCurve, size: int) -> ec.EllipticCurvePublicKey:
    """The public key of a JWK's coordinates, `size` bytes each; ValueError if they are no point of the curve."""
    encoded = b"\x04" + octets(jwk, "x", size) + octets(jwk, "y", size)
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, encoded)
    except ValueError as e:
        raise ValueError("`x` and `y` are not on the curve") from e


def load_public(jwk: dict[str, Any]) -> ec.EllipticCurvePublicKey:
    """The P-256 public key of a JWK; KeyFaultError with the code of step 9 if it is not one to verify with."""
    for reason, message in faults(jwk, "EC", "P-256", ("ES256",)):
        raise KeyFaultError(reason, message)
    try:
        return point(jwk, _CURVE, 32)
    except ValueError as e:
        raise KeyFaultError("key_alg_mismatch", f"is no P-256 key: {e}") from e


def sign(header: dict[str, Any], payload: bytes, key: ec.EllipticCurvePrivateKey) -> str:
    """A compact JWS, signed deterministically (RFC 6979) so that a bad random source cannot give the key away."""
    signed = f"{b64.encode(strict_json.dumps(header).encode())}.{b64.encode(payload)}"
    r, s = decode_dss_signature(key.sign(signed.encode(), _SIGN))
    return f"{signed}.{b64.encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def verify(signed: bytes, signature: bytes, key: ec.EllipticCurvePublicKey) -> bool:
    """Whether `signature` (r ‖ s, 64 bytes) is the key's over `signed`."""
    return verify_ecdsa(signed, signature, key, _VERIFY, ORDER)


def verify_ecdsa(
    signed: bytes, signature: bytes, key: ec.EllipticCurvePublicKey, algorithm: ec.ECDSA, order: int
) -> bool:
    """Whether `signature` (r ‖ s, each as long as the curve's `order`) is the key's over `signed` (RFC 7518 §3.4)."""
    size = (order.bit_length() + 7) // 8
    if len(signature) != 2 * size:
        return False
    r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    if not (0 < r < order and 0 < s < order):
        return False
    try:
        key.verify(encode_dss_signature(r, s), signed, algorithm)
    except InvalidSignature:
        return False
    return True
