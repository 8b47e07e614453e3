"""Steps 8 to 13: the issuer's own key signed it, the claims are there and well typed, the times and audience fit."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from nhictl.core.token import jws
from nhictl.core.token.compact import Parsed
from nhictl.core.token.profile import AT_JWT, GENERIC, JWT_SVID, MAX_BOUND_TTL_S, MAX_TTL_S
from nhictl.core.token.verdict import RejectedError

LEEWAY_S: Final = 30
LAST_SECOND: Final = 253402300799
OWN_ALGORITHMS: Final = frozenset({"ES256"})
_Kinds = tuple[tuple[str, type], ...]
_REQUIRED: Final[dict[str, _Kinds]] = {
    AT_JWT: (
        ("exp", int),
        ("aud", str),
        ("sub", str),
        ("client_id", str),
        ("iat", int),
        ("jti", str),
        ("txn", str),
    ),
    JWT_SVID: (("exp", int), ("aud", str), ("sub", str), ("iat", int), ("jti", str)),
    GENERIC: (("exp", float), ("aud", str), ("sub", str), ("iat", float)),
}
"""Of a foreign token `jti` is not asked for: nothing here remembers it. Without `iat` its life would have no length."""
_OPTIONAL: Final[_Kinds] = (
    ("nbf", int),
    ("scope", str),
    ("authorization_details", list),
    ("act", dict),
    ("cnf", dict),
    ("status", dict),
    ("nhictl", dict),
)
_FOREIGN: Final[_Kinds] = (("nbf", float), ("jti", str), *_OPTIONAL[1:])


class Issuer(NamedTuple):
    """An issuer we know: its `iss`, its keys as (public JWK with kid, revoked?), trust domain and allowed algorithms."""

    iss: str
    keys: tuple[tuple[dict[str, Any], bool], ...]
    trust_domain: str
    algorithms: frozenset[str]


def choose_issuer(claims: dict[str, Any], issuers: tuple[Issuer, ...], kind: str = AT_JWT) -> Issuer:
    """Step 8. A JWT-SVID names no issuer: the trust domain of its `sub` does, and an `iss` it has may not disagree."""
    iss = claims.get("iss")
    if kind == JWT_SVID:
        sub = claims.get("sub")
        if not isinstance(sub, str) or not sub.startswith("spiffe://"):
            raise RejectedError(8, "iss_missing", "no issuer: `sub` names no trust domain")
        domain = sub.removeprefix("spiffe://").partition("/")[0]
        found = [each for each in issuers if each.trust_domain == domain and iss in (None, each.iss)]
    elif iss is None:
        raise RejectedError(8, "iss_missing")
    else:
        found = [each for each in issuers if each.iss == iss]
    if len(found) != 1:
        raise RejectedError(8, "iss_untrusted")
    return found[0]


def check_signature(parsed: Parsed, issuer: Issuer) -> None:
    """Steps 9 and 10. Only a key of the issuer that was chosen before counts."""
    jwk, revoked = named_key(parsed.header, issuer.keys)
    if issuer.algorithms != OWN_ALGORITHMS:
        check_foreign_signature(parsed.header, parsed.signed, parsed.signature, jwk)
        return
    try:
        key = jws.load_public(jwk)
    except jws.KeyFaultError as e:
        raise RejectedError(9, e.reason, f"the key {e}") from e
    if revoked:
        raise RejectedError(9, "key_revoked")
    if not jws.verify(parsed.signed, parsed.signature, key):
        raise RejectedError(10, "signature_invalid")


def named_key(
    header: dict[str, Any], keys: tuple[tuple[dict[str, Any], bool], ...], hint: str = ""
) -> tuple[dict[str, Any], bool]:  # fmt: skip
    """Step 9, first half: the one key that the header's `kid` names."""
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise RejectedError(9, "kid_missing")
    found = [entry for entry in keys if entry[0].get("kid") == kid]
    if not found:
        raise RejectedError(9, "kid_unknown", hint)
    if len(found) > 1:
        raise RejectedError(9, "kid_ambiguous")
    return found[0]


def check_foreign_signature(header: dict[str, Any], signed: bytes, signature: bytes, jwk: dict[str, Any]) -> None:
    """Steps 9, second half, and 10, by any algorithm there is; it was found in the issuer's list before."""
    from nhictl.core.token import algorithms
    from nhictl.core.token import jwk as keys

    alg = str(header["alg"])
    try:
        key = keys.load(jwk, alg)
    except jws.KeyFaultError as e:
        raise RejectedError(9, e.reason, f"the key {e}") from e
    if not algorithms.verify(alg, key, signed, signature):
        raise RejectedError(10, "signature_invalid")


def _typed(claims: dict[str, Any], name: str, kind: type) -> None:
    value: Any = claims[name]
    if kind is float:
        check_moment(claims, name)
        return
    if not isinstance(value, kind) or isinstance(value, bool) or (kind is str and not value and name != "scope"):
        raise RejectedError(11, f"claim_type:{name}")
    if isinstance(value, int) and not 0 <= value <= LAST_SECOND:
        raise RejectedError(11, f"claim_type:{name}", "outside the years 1970 to 9999")


def check_moment(claims: dict[str, Any], name: str) -> None:
    """Step 11 for a foreign token's time: a number, whole or not, of the years 1970 to 9999."""
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LAST_SECOND:
        raise RejectedError(11, f"claim_type:{name}", "seconds since 1970, before the year 10000")


def check_types(claims: dict[str, Any], kind: str = AT_JWT) -> None:
    """Step 11. `aud` is looked at in step 13, where a list has its own reason."""
    for name, wanted in _REQUIRED[kind]:
        if name not in claims:
            raise RejectedError(11, f"claim_missing:{name}")
        if name == "aud" and isinstance(claims["aud"], list):
            continue
        _typed(claims, name, wanted)
    for name, wanted in _FOREIGN if kind == GENERIC else _OPTIONAL:
        if name in claims:
            _typed(claims, name, wanted)


def check_times(
    claims: dict[str, Any], now_us: int, kind: str = AT_JWT, leeway_s: int = LEEWAY_S, longest_s: int | None = None
) -> None:
    """Step 12: half-open life, `now == exp` is expired; the same leeway on all three clocks.

    The longest life is the profile's, unless `longest_s` says another.
    """
    iat, exp, nbf = (_us(claims.get(name, 0)) for name in ("iat", "exp", "nbf"))
    leeway_us = leeway_s * 1_000_000
    if now_us >= exp + leeway_us:
        raise RejectedError(12, "token_expired", f"{(now_us - exp) // 1_000_000} s ago")
    if now_us < nbf - leeway_us:
        raise RejectedError(12, "token_not_yet_valid")
    if iat > now_us + leeway_us:
        raise RejectedError(12, "iat_in_future", f"by {(iat - now_us) // 1_000_000} s")
    if iat > exp:
        raise RejectedError(12, "exp_before_iat")
    bound = kind != JWT_SVID and "cnf" in claims
    longest = longest_s or (MAX_BOUND_TTL_S if bound else MAX_TTL_S[kind])
    if exp - iat > longest * 1_000_000:
        raise RejectedError(12, "lifetime_too_long", f"{(exp - iat) // 1_000_000} s, at most {longest}")


def _us(seconds: float) -> int:
    return int(seconds * 1_000_000) if isinstance(seconds, float) else seconds * 1_000_000


def still_good(now_us: int) -> int:
    """The second up to which tokens have expired for every verifier: with the leeway, not a moment earlier."""
    return now_us // 1_000_000 - LEEWAY_S


def check_audience(claims: dict[str, Any], audience: str) -> None:
    """Step 13: one audience, and it is the verifier."""
    if not isinstance(claims["aud"], str):
        raise RejectedError(13, "aud_multiple")
    if claims["aud"] != audience:
        raise RejectedError(13, "aud_mismatch", f"expected {audience}")
