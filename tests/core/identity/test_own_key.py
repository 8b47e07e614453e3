"""An agent's own public key: P-256 as JWK or PEM; everything else is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from nhictl.core.identity.own_key import parse_public
from nhictl.core.token import jws
from nhictl.errors import InputError

KEY = ec.derive_private_key(7, ec.SECP256R1())
JWK = jws.public_jwk(KEY)
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)


def pem(key: Any, encoding: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> bytes:
    """The public key of `key` as PEM."""
    return bytes(key.public_key().public_bytes(Encoding.PEM, encoding))


def private(key: Any, form: PrivateFormat = PrivateFormat.PKCS8, *, locked: bool = False) -> bytes:
    """The private key as PEM."""
    return bytes(key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"x") if locked else NoEncryption()))


def jwk(**more: Any) -> bytes:
    """The good JWK with members changed; None takes one away."""
    return json.dumps({k: v for k, v in (JWK | more).items() if v is not None}).encode()


GOOD = {
    "jwk": jwk(),
    "jwk with much else": jwk(kid="x", alg="ES256", use="sig", key_ops=["verify"], x5c=["…"]),
    "pem": pem(KEY),
    "pem with space around": b"\n " + pem(KEY).strip() + b"\n\n",
    "pem with CRLF": pem(KEY).replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
def test_what_is_kept_is_the_bare_public_jwk(data: bytes) -> None:
    assert parse_public(data, "k") == JWK


CROOKED = pem(KEY).splitlines()
REFUSED: dict[str, tuple[bytes, str, str]] = {
    "private jwk": (jwk(d="AA"), "key_private", "private"),
    "symmetric jwk": (b'{"kty":"oct","k":"AA"}', "key_private", "private or secret"),
    "private pem": (private(KEY), "key_private", "is a private one"),
    "private sec1 pem": (private(KEY, PrivateFormat.TraditionalOpenSSL), "key_private", "is a private one"),
    "locked private pem": (private(KEY, locked=True), "key_private", "is a private one"),
    "private pem after a public one": (pem(KEY) + private(KEY), "key_malformed", "more than one PEM block"),
    "rsa jwk": (b'{"kty":"RSA","n":"AQ","e":"AQAB"}', "key_alg_mismatch", "an RSA key"),
    "rsa pem": (pem(RSA), "key_alg_mismatch", "an RSA key"),
    "rsa pkcs1 pem": (pem(RSA, PublicFormat.PKCS1), "key_malformed", "`RSA PUBLIC KEY`"),
    "ed25519 jwk": (b'{"kty":"OKP","crv":"Ed25519","x":"AQ"}', "key_alg_mismatch", "Ed25519"),
    "ed25519 pem": (pem(ED), "key_alg_mismatch", "Ed25519"),
    "x25519 pem": (pem(x25519.X25519PrivateKey.from_private_bytes(b"\x07" * 32)), "key_alg_mismatch", "X25519"),
    "p-384 jwk": (jwk(crv="P-384"), "key_alg_mismatch", "P-384"),
    "p-384 pem": (pem(ec.derive_private_key(7, ec.SECP384R1())), "key_alg_mismatch", "secp384r1"),
    "curve of nobody": (jwk(crv="\x1b[2J"), "key_alg_mismatch", "an unknown curve"),
    "no type": (jwk(kty=None), "key_alg_mismatch", "an unknown type"),
    "off the curve": (jwk(x=JWK["y"]), "key_alg_mismatch", "not on the curve"),
    "short coordinate": (jwk(x="AA"), "key_alg_mismatch", "not 32"),
    "for encryption": (jwk(use="enc"), "key_use_mismatch", "not for verifying"),
    "kid as number": (jwk(kid=1), "key_malformed", "`kid`"),
    "certificate": (pem(KEY).replace(b"PUBLIC KEY", b"CERTIFICATE"), "key_malformed", "`CERTIFICATE`"),
    "pem cut short": (b"\n".join(CROOKED[:-1]), "key_malformed", "that can be read"),
    "pem of garbage": (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "key_malformed", "that can be read"),
    "list": (b"[]", "key_malformed", "no object"),
    "duplicate member": (b'{"kty":"EC","kty":"EC"}', "key_malformed", "neither a JWK nor a PEM"),
    "empty": (b"", "key_malformed", "neither a JWK nor a PEM"),
    "binary": (bytes(range(256)), "key_malformed", "neither a JWK nor a PEM"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "code", "said"), REFUSED.values(), ids=REFUSED)
def test_refused_by_name(data: bytes, code: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_public(data, "key.file")
    assert caught.value.code == code
    assert said in caught.value.message
    assert caught.value.message.startswith("key.file")
    assert "\x1b" not in caught.value.message
