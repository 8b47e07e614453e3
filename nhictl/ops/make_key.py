"""How a signing key is made, by its use: a table, so that keys of every use go through the same states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from nhictl.core import strict_json
from nhictl.core.token import jws
from nhictl.errors import UnsafeError
from nhictl.ops.house import House


class Made(NamedTuple):
    """A new key: its kid, what its record shows of it, its public part as it is stored, and its private part, sealed."""

    kid: str
    shown: dict[str, Any]
    public: str
    sealed: bytes


class Maker(NamedTuple):
    """For one use of keys: the algorithm they sign with, how one is made, and what opens its private part."""

    alg: str
    make: Callable[[House], Made]
    load: Callable[[bytes], Any]


def token_key(house: House) -> Made:
    """A P-256 key for tokens; its kid is its thumbprint, and never looks like an option (a hyphen first)."""
    for _ in range(64):
        scalar = jws.new_private(house.random(40))
        jwk = jws.public_jwk(jws.private_from_bytes(scalar))
        kid = jws.thumbprint(jwk)
        if not kid.startswith("-"):
            break
    else:
        raise UnsafeError("the random source is stuck", code="random_source")
    public = strict_json.dumps({**jwk, "kid": kid, "use": "sig", "alg": "ES256"})
    return Made(
        kid,
        {"kid": kid, "use": "token", "jwk": jwk},
        public,
        house.sealer.seal(scalar, f"signing key:{kid}", house.random(12)),
    )


def x509_key(house: House) -> Made:
    """A P-256 key for X.509-SVIDs, with its self-signed certificate."""
    from nhictl.ops import x509_authority

    made = x509_authority.make(house)
    return Made(made.kid, made.shown, made.public, made.sealed)


MAKERS: Final = {
    "token": Maker("ES256", token_key, jws.private_from_bytes),
    "x509": Maker("ES256", x509_key, jws.private_from_bytes),
}
