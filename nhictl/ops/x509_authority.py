"""The key that signs X.509-SVIDs, with its self-signed certificate: made when the first SVID is asked for.

A home that never certifies anybody has no such key, and its bundle says so by naming none (SPIFFE X509-SVID §6.2). It is
made by an act of its own, once: of two processes that make one at the same time, one finds it done.
"""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from typing import Any, Final, NamedTuple

from nhictl.core import strict_json, times
from nhictl.core.identity import x509_svid
from nhictl.core.token import jws, publish
from nhictl.errors import ConflictError, UnsafeError
from nhictl.ops import publish_trust
from nhictl.ops.act import Act, transact
from nhictl.ops.house import House
from nhictl.store import agents, sqlite

USE: Final = "x509"
LIFE_S: Final = 365 * 86400
"""How long an authority's certificate is good: the backstop, not the plan, which is to replace it well before."""
BACKDATE_S: Final = 30
"""How long before they are made certificates begin: for clocks behind ours, as far as verification allows."""


class Made(NamedTuple):
    """A new key as it is stored: thumbprint, public JWK with `x5c` as JSON, sealed private key, and its record's `ext`."""

    kid: str
    public: str
    sealed: bytes
    shown: dict[str, Any]


class Authority(NamedTuple):
    """An active key, opened."""

    row: agents.KeyRow
    private: Any
    own: x509_svid.Authority
    x5c: str


def serial(house: House) -> int:
    """A serial number: 128 random bits, positive (RFC 5280 §4.1.2.2)."""
    for _ in range(64):
        if number := int.from_bytes(house.random(16), "big"):
            return number
    raise UnsafeError("the random source is stuck", code="random_source")


def make(house: House) -> Made:
    """A new key pair with its certificate, kept nowhere yet. Done before the lock is taken."""
    for _ in range(64):  # a kid never looks like an option
        scalar = jws.new_private(house.random(40))
        private = jws.private_from_bytes(scalar)
        bare = jws.public_jwk(private)
        kid = jws.thumbprint(bare)
        if not kid.startswith("-"):
            break
    else:
        raise UnsafeError("the random source is stuck", code="random_source")
    now_s = house.clock() // 1_000_000
    domain = house.meta["trust_domain"]
    der = x509_svid.authority(private, domain, serial(house), now_s - BACKDATE_S, now_s + LIFE_S)
    public = strict_json.dumps({**bare, "kid": kid, "use": "x509-svid", "x5c": [base64.b64encode(der).decode()]})
    shown = {
        "kid": kid,
        "use": USE,
        "jwk": bare,
        "certificate": "sha256:" + sha256(der).hexdigest(),
        "not_after": times.rfc3339((now_s + LIFE_S) * 1_000_000),
    }
    return Made(kid, public, house.sealer.seal(scalar, f"signing key:{kid}", house.random(12)), shown)


def ready(house: House) -> Authority:
    """The active authority, opened: made if this home never had one, and in every folder that was published in.

    ConflictError (5) if there was one and none is active now, or if its certificate has ended.
    """
    if not _rows(house):
        made = make(house)
        transact(house, lambda act: _keep(act, made), may_rest=True)
    with sqlite.guarded("read the signing keys"):
        row = agents.active_key(house.db, USE)
    if row is None:
        raise ConflictError(
            "no X.509 authority is active",
            code="no_x509_authority",
            hint="nhictl key prepare, then nhictl key activate",
        )
    try:
        (x5c,) = json.loads(row.public)["x5c"]
        own = x509_svid.load(x5c)
    except (ValueError, LookupError, TypeError) as e:
        raise UnsafeError(f"a stored certificate is not one of ours: {e}", code="store_damaged") from e
    publish_trust.bring_up(house, x5c)
    return Authority(row, house.opened(row, jws.private_from_bytes), own, x5c)


def anchors(house: House) -> list[str]:
    """The certificates that others are to trust, in PEM: those of the bundle, in its order."""
    rows = [row for row in _rows(house) if row.state in publish.PUBLISHED]
    return [x509_svid.pem(base64.b64decode(json.loads(row.public)["x5c"][0])) for row in rows]


def _rows(house: House) -> list[agents.KeyRow]:
    with sqlite.guarded("read the signing keys"):
        return agents.keys(house.db, USE)


def _keep(act: Act, made: Made) -> None:
    """Nothing, if somebody was faster."""
    if not agents.keys(act.db, USE):
        seq = act.record("key.activated", ext=made.shown)
        agents.add_key(act.db, USE, made.kid, made.public, made.sealed, "active", seq)
