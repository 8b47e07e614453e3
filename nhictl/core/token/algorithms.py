"""The signature algorithms of foreign tokens (RFC 7518 §3, RFC 8037, RFC 9864): which key each takes, and its check.

Our own tokens are ES256 alone and are checked by `jws`; only what reads other people's signatures comes here.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from nhictl.core.token import jws

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class Kind(NamedTuple):
    """A kind of key: its `kty` and `crv` (None for RSA), and the algorithms it may sign with."""

    kty: str
    crv: str | None
    algorithms: tuple[str, ...]


class Curve(NamedTuple):
    """A NIST curve: the order of its group, and the bytes of a coordinate."""

    curve: ec.EllipticCurve
    order: int
    size: int


KINDS: Final = (
    Kind("RSA", None, ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
    Kind("EC", "P-256", ("ES256",)),
    Kind("EC", "P-384", ("ES384",)),
    Kind("EC", "P-521", ("ES512",)),
    Kind("OKP", "Ed25519", ("EdDSA", "Ed25519")),
)
KIND_OF: Final = {alg: kind for kind in KINDS for alg in kind.algorithms}
ALGORITHMS: Final = frozenset(KIND_OF)
_P384: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
_P521: Final = ((1 << 265) - 6 << 256) + 0x51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409
CURVES: Final = {
    "P-256": Curve(ec.SECP256R1(), jws.ORDER, 32),
    "P-384": Curve(ec.SECP384R1(), _P384, 48),
    "P-521": Curve(ec.SECP521R1(), _P521, 66),
}
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}


def kind_of_key(kty: object, crv: object) -> Kind | None:
    """The kind that a JWK's `kty` and `crv` name, or None if it is none of ours."""
    return next((kind for kind in KINDS if kind.kty == kty and kind.crv in (None, crv)), None)


def verify(alg: str, key: PublicKey, signed: bytes, signature: bytes) -> bool:
    """Whether `signature` is the key's over `signed` by `alg`; False also when key and algorithm do not belong together.

    ECDSA signatures are r ‖ s of exact length; an RSA signature is as long as the modulus; the salt of PS is as long
    as its hash.
    """
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _verify_ecdsa(alg, key, signed, signature)
    try:
        if isinstance(key, rsa.RSAPublicKey):
            return _verify_rsa(alg, key, signed, signature)
        if alg not in ("EdDSA", "Ed25519"):
            return False
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _verify_ecdsa(alg: str, key: ec.EllipticCurvePublicKey, signed: bytes, signature: bytes) -> bool:
    kind = KIND_OF.get(alg)
    curve = CURVES.get(kind.crv or "") if kind is not None else None
    if curve is None or curve.curve.name != key.curve.name:
        return False
    return jws.verify_ecdsa(signed, signature, key, ec.ECDSA(_HASHES[alg[2:]]), curve.order)


def _verify_rsa(alg: str, key: rsa.RSAPublicKey, signed: bytes, signature: bytes) -> bool:
    digest = _HASHES.get(alg[2:])
    if digest is None or alg[:2] not in ("RS", "PS") or len(signature) != (key.key_size + 7) // 8:
        return False
    pad: padding.AsymmetricPadding = padding.PKCS1v15()
    if alg[:2] == "PS":
        pad = padding.PSS(mgf=padding.MGF1(digest), salt_length=padding.PSS.DIGEST_LENGTH)
    key.verify(signature, signed, pad, digest)
    return True
