"""What verifiers elsewhere need, as documents: keys and an issuer go in, the bytes of the files come out.

Two key files, because each kind of reader refuses the other's: `use: sig` (RFC 7517 §4.2) in the key set, `jwt-svid`
in the SPIFFE bundle (SPIFFE Trust Domain and Bundle §4). Only public members are ever copied, one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

from nhictl.core import strict_json
from nhictl.core.token import algorithms, jws
from nhictl.core.token.profile import DETAIL

REFRESH_HINT_S: Final = 300
PUBLISHED: Final = frozenset({"prepared", "active", "old", "tainted"})
"""States of a key that is given out: before its first signature, and until its last one is out of date."""
SETTLE_S: Final = REFRESH_HINT_S + 30
"""After so long everybody who refreshes by the hint has a new key: a refresh that began just in time may take 30 s."""
KEY_SET: Final = "jwks.json"
BUNDLE: Final = "spiffe-bundle.json"
OAUTH: Final = ".well-known/oauth-authorization-server"
OPENID: Final = ".well-known/openid-configuration"
_MOST: Final = 1 << 53  # beyond it, readers in JavaScript can tell no two numbers apart


def public_keys(stored: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """The keys as `kty crv x y kid`, in the order given; ValueError if one is not what we would have stored."""
    made: dict[str, dict[str, str]] = {}
    for jwk in stored:
        bare = jws.public_jwk(jws.load_public(jwk))
        kid = jws.thumbprint(bare)
        if jwk.get("kid") != kid:
            raise ValueError(f"the kid `{str(jwk.get('kid'))[:64]}` is not the thumbprint of its key")
        if kid in made:
            raise ValueError(f"the key `{kid}` is there twice")
        made[kid] = {**bare, "kid": kid}
    return list(made.values())


def authorities(stored: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The X.509 authorities as `kty crv x y x5c`, in the order given; ValueError if one is not what we would have stored."""
    if not stored:
        return []
    from nhictl.core.identity import certificate

    made: list[dict[str, Any]] = []
    for jwk in stored:
        key = jws.load_public({name: jwk[name] for name in ("kty", "crv", "x", "y")})
        (x5c,) = jwk["x5c"]
        found = certificate.parse(x5c)
        if not certificate.holds(found, key) or not certificate.is_authority(found):
            raise ValueError("the certificate is not that of an authority with its key")
        made.append({**jws.public_jwk(key), "x5c": [x5c]})
    return made


def bundle_digest(keys: Sequence[dict[str, str]], x509: Sequence[dict[str, Any]] = ()) -> str:
    """What the bundle says apart from its sequence, as a digest: the sequence grows exactly when this changes."""
    return _digest(_bundle(keys, x509))


def read_bundle(data: bytes) -> tuple[int, str]:
    """The (sequence, `bundle_digest`) of a bundle as it stands published; (0, "") for what is no bundle."""
    try:
        value = strict_json.loads(data)
        sequence = value.pop("spiffe_sequence")
    except (ValueError, AttributeError, LookupError, TypeError):
        return 0, ""
    if not isinstance(sequence, int) or isinstance(sequence, bool) or not 0 < sequence < _MOST:
        return 0, ""
    return sequence, _digest(value)


def kids(data: bytes) -> frozenset[str]:
    """The kids in a key set or bundle as it stands published; none for what is neither."""
    try:
        value = strict_json.loads(data)
        return frozenset(str(key["kid"]) for key in value["keys"] if "kid" in key)
    except (ValueError, LookupError, TypeError):
        return frozenset()


def documents(
    iss: str, signing: Sequence[str], keys: Sequence[dict[str, str]], sequence: int,
    x509: Sequence[dict[str, Any]] = (),
) -> dict[str, bytes]:  # fmt: skip
    """The files by path; `sequence` is the bundle's, `x509` the authorities in it. The two of `.well-known` only for an
    issuer that is a URL.
    """
    made: dict[str, dict[str, Any]] = {
        KEY_SET: {"keys": [{**key, "use": "sig", "alg": "ES256"} for key in keys]},
        BUNDLE: {"spiffe_sequence": sequence, **_bundle(keys, x509)},
    }
    if iss.startswith("https://"):
        where = {"issuer": iss, "jwks_uri": f"{iss}/{KEY_SET}"}
        made[OAUTH] = {
            **where,
            "response_types_supported": [],
            "authorization_details_types_supported": [DETAIL],
            "dpop_signing_alg_values_supported": sorted(algorithms.ALGORITHMS),
            "status_list_aggregation_endpoint": f"{iss}/status/aggregation.json",
        }
        made[OPENID] = {
            **where,
            "id_token_signing_alg_values_supported": sorted(signing),
            "subject_types_supported": ["public"],
            "response_types_supported": ["id_token"],  # required; what clouds' workload federation looks for
        }
    return {path: _text(document) for path, document in made.items()}


def notes(iss: str) -> list[str]:
    """What whoever serves the folder has to know: where it belongs, and what of it is missing and why."""
    if not iss.startswith("https://"):
        return [f"the issuer {iss} is no https URL, so there is nothing under .well-known"]
    said = [f"serve the folder as {iss}/"]
    host, slash, path = iss.removeprefix("https://").partition("/")
    if slash:  # RFC 8414 §3.1 puts the path behind, OpenID Connect Discovery §4 in front
        said.append(f"serve {OAUTH} as https://{host}/{OAUTH}/{path} too")
    return said


def _bundle(keys: Sequence[dict[str, str]], x509: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """X.509 keys carry a certificate and no `kid` (SPIFFE X509-SVID §6.1)."""
    entries = [*({**key, "use": "jwt-svid"} for key in keys), *({**key, "use": "x509-svid"} for key in x509)]
    return {"spiffe_refresh_hint": REFRESH_HINT_S, "keys": entries}


def certificates(data: bytes) -> list[str]:
    """The `x5c` entries of a bundle as it stands published; none for what is no bundle."""
    try:
        return [key["x5c"][0] for key in strict_json.loads(data)["keys"] if key.get("use") == "x509-svid"]
    except (ValueError, AttributeError, LookupError, TypeError):
        return []


def _digest(content: dict[str, Any]) -> str:
    return "sha256:" + sha256(_text(content)).hexdigest()


def _text(document: dict[str, Any]) -> bytes:
    return strict_json.dumps(document).encode() + b"\n"
