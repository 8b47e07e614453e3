"""Keys of every kind as public JWKs, and a signer of compact JWS that takes any header: made once a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from nhictl.core.token import b64

HASHES: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
EC_CURVES: dict[str, tuple[ec.EllipticCurve, int]] = {
    "ES256": (ec.SECP256R1(), 32), "ES384": (ec.SECP384R1(), 48), "ES512": (ec.SECP521R1(), 66),
}  # fmt: skip
NAMES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
EVERY_ALG = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
Sign = Callable[[bytes], bytes]


class Pair(NamedTuple):
    """A public JWK, how its owner signs, and the private key itself."""

    jwk: dict[str, Any]
    sign: Sign
    private: Any


def uint(number: int) -> str:
    """Base64urlUInt."""
    return b64.encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


@cache
def rsa_private(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def ec_private(alg: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(0x1234567890ABCDEF1234567890ABCDEF, EC_CURVES[alg][0])


@cache
def ed_private() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def rsa_jwk(key: rsa.RSAPublicKey) -> dict[str, Any]:
    numbers = key.public_numbers()
    return {"kty": "RSA", "n": uint(numbers.n), "e": uint(numbers.e)}


def ec_jwk(alg: str) -> dict[str, Any]:
    numbers, size = ec_private(alg).public_key().public_numbers(), EC_CURVES[alg][1]
    x, y = (b64.encode(n.to_bytes(size, "big")) for n in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": NAMES[alg], "x": x, "y": y}


def ed_jwk() -> dict[str, Any]:
    return {"kty": "OKP", "crv": "Ed25519", "x": b64.encode(ed_private().public_key().public_bytes_raw())}


def ed448_jwk() -> dict[str, Any]:
    raw = ed448.Ed448PrivateKey.from_private_bytes(bytes(range(57))).public_key().public_bytes_raw()
    return {"kty": "OKP", "crv": "Ed448", "x": b64.encode(raw)}


def pad_of(alg: str) -> padding.AsymmetricPadding:
    digest = HASHES[alg[2:]]
    return padding.PKCS1v15() if alg[0] == "R" else padding.PSS(padding.MGF1(digest), digest.digest_size)


def raw_ecdsa(data: bytes, alg: str, key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
    """r ‖ s."""
    r, s = decode_dss_signature((key or ec_private(alg)).sign(data, ec.ECDSA(HASHES[alg[2:]])))
    size = EC_CURVES[alg][1]
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def pair(alg: str) -> Pair:
    """The key pair for an algorithm."""
    if alg in ("EdDSA", "Ed25519"):
        return Pair(ed_jwk(), ed_private().sign, ed_private())
    if alg in EC_CURVES:
        return Pair(ec_jwk(alg), lambda data: raw_ecdsa(data, alg), ec_private(alg))
    private = rsa_private()
    return Pair(
        rsa_jwk(private.public_key()), lambda data: private.sign(data, pad_of(alg), HASHES[alg[2:]]), private
    )  # fmt: skip


def compact(header: dict[str, Any] | bytes, payload: bytes, sign: Sign) -> bytes:
    """A compact JWS, whatever the header says."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    signed = f"{b64.encode(head)}.{b64.encode(payload)}".encode()
    return signed + b"." + b64.encode(sign(signed)).encode()


def edit_signature(jws: bytes, edit: Callable[[bytes], bytes]) -> bytes:
    """The same JWS with another signature."""
    signed, _, signature = jws.rpartition(b".")
    return signed + b"." + b64.encode(edit(b64.decode(signature))).encode()
