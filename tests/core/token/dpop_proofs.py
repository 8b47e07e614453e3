"""DPoP proofs made without the code under test: keys, and proofs by them with any part changed."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from nhictl.core.token import b64
from tests.harness import NOON_US

NOW_S: Final = NOON_US // 1_000_000
METHOD, ADDRESS = "POST", "https://api.example.org/reports"
GONE: Final = object()


class Key:
    """A P-256 key pair with its public JWK."""

    def __init__(self, number: int = 7) -> None:
        self.private = ec.derive_private_key(number, ec.SECP256R1())
        numbers = self.private.public_key().public_numbers()
        x, y = (b64.encode(n.to_bytes(32, "big")) for n in (numbers.x, numbers.y))
        self.jwk: dict[str, Any] = {"kty": "EC", "crv": "P-256", "x": x, "y": y}

    @property
    def jkt(self) -> str:
        """The RFC 7638 thumbprint, by hand."""
        named = {name: self.jwk[name] for name in ("crv", "kty", "x", "y")}
        return b64.encode(sha256(json.dumps(named, separators=(",", ":")).encode()).digest())

    def sign(self, signed: bytes) -> bytes:
        """ES256, r ‖ s."""
        r, s = decode_dss_signature(self.private.sign(signed, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class OkpKey(Key):
    """An Ed25519 key pair."""

    def __init__(self) -> None:
        self.own = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64.encode(self.own.public_key().public_bytes_raw())}

    @property
    def jkt(self) -> str:
        """The RFC 7638 thumbprint, by hand."""
        named = {name: self.jwk[name] for name in ("crv", "kty", "x")}
        return b64.encode(sha256(json.dumps(named, separators=(",", ":")).encode()).digest())

    def sign(self, signed: bytes) -> bytes:
        """EdDSA."""
        return self.own.sign(signed)


def changed(parts: dict[str, Any], by: dict[str, Any]) -> dict[str, Any]:
    """The members with some replaced, or left out where they are `GONE`."""
    return {name: value for name, value in (parts | by).items() if value is not GONE}


def proof(
    key: Key, *, token: bytes | None = None, header: dict[str, Any] | None = None, signer: Key | None = None,
    now_s: int = NOW_S, jti: str = "id-1", **claims: Any,
) -> bytes:  # fmt: skip
    """A proof by `key` for `METHOD` and `ADDRESS`, with parts of it changed; `signer` signs if it is another one."""
    head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.jwk}
    body: dict[str, Any] = {"jti": jti, "htm": METHOD, "htu": ADDRESS, "iat": now_s}
    if token is not None:
        body["ath"] = b64.encode(sha256(token).digest())
    parts = (changed(head, header or {}), changed(body, claims))
    signed = ".".join(b64.encode(json.dumps(part).encode()) for part in parts).encode()
    return signed + b"." + b64.encode((signer or key).sign(signed)).encode()
