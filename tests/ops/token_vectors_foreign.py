"""Foreign tokens as data: what is wrong with each, one thing, the step and reason that must refuse it.

`ACCEPTED_BY_PYJWT` is what PyJWT was seen to accept; `test_token_foreign` shows that it still does where it can be asked.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from nhictl.core.token import b64
from tests.core.token.crypto_keys import ed448_jwk, pair, rsa_jwk, rsa_private
from tests.core.token.dpop_proofs import ADDRESS, METHOD, NOW_S, Key, proof
from tests.ops.token_foreign import AUD, URI, Edit, Foreign

Change = Callable[[Foreign], None]
KEY: Final = Key(7)


class Row(NamedTuple):
    """One thing wrong."""

    name: str
    change: Change
    step: int
    reason: str


def header(**members: Any) -> Change:
    """Set members of the header."""
    return lambda case: case.header.update(members)


def claims(**members: Any) -> Change:
    """Set claims."""
    return lambda case: case.claims.update(members)


def key(**members: Any) -> Change:
    """Set members of the issuer's key."""

    def change(case: Foreign) -> None:
        case.keys[0] = {k: v for k, v in (case.keys[0] | members).items() if v is not ...}

    return change


def raw(part: str, edit: Edit) -> Change:
    """Change the bytes of a part: `header` and `claims` before they are signed, `signature` or `text` afterwards."""
    return lambda case: getattr(case, part if part == "text" else f"raw_{part}").append(edit)


def kid_of_two(case: Foreign) -> None:
    """A second key under the same name."""
    case.keys.append({**pair("ES256").jwk, "kid": "k1"})


def _signed_by(alg: str, jwk: dict[str, Any] | None = None) -> Change:
    """Signed by another algorithm, under the key as it is or another one."""

    def change(case: Foreign) -> None:
        case.header["alg"], case.signer = alg, pair(alg).sign
        case.keys[0] = {**(jwk or case.keys[0]), "kid": "k1"}

    return change


def _small(case: Foreign) -> None:
    private = rsa_private(1024)
    case.keys[0] = {**rsa_jwk(private.public_key()), "kid": "k1"}


def _unsigned(case: Foreign) -> None:
    case.header["alg"] = "None"
    case.raw_signature.append(lambda _: b"")


def _hmac(case: Foreign) -> None:
    case.header["alg"] = "HS256"
    case.signer = lambda signed: hmac.digest(json.dumps(case.keys[0]).encode(), signed, "sha256")


def _twice(name: str) -> Edit:
    return lambda data: b'{"%s":%s,' % (name.encode(), json.dumps(json.loads(data)[name]).encode()) + data[1:]


def listed(*statuses: int, idx: Any = 0, uri: Any = URI, given: bool = True, **changed: Any) -> Change:
    """The token names a status, and the verifier has the list or has not."""

    def change(case: Foreign) -> None:
        case.claims["status"] = {"status_list": {"idx": idx, "uri": uri}}
        if given:
            case.lists = [case.list_of(*statuses, **changed)]

    return change


def bound(by: Key = KEY, **changes: Any) -> Change:
    """Bound to a key, with a proof."""

    def change(case: Foreign) -> None:
        case.claims["cnf"] = {"jkt": KEY.jkt}
        case.asked["proof"] = lambda token: (proof(by, token=token, **changes), METHOD, ADDRESS)

    return change


PYJWT_TYPS: Final = ("logout+jwt", "dpop+jwt", "anything", "statuslist+jwt")
ACCEPTED_BY_PYJWT: Final[list[Row]] = [
    Row("a claim twice", raw("claims", _twice("exp")), 7, "claims_duplicate_member"),
    Row("a header twice", raw("header", _twice("kid")), 3, "header_duplicate_member"),
    *(Row(f"typ {typ}", header(typ=typ), 5, "typ_mismatch") for typ in PYJWT_TYPS),
    Row("no exp", claims(exp=...), 11, "claim_missing:exp"),
    Row("exp as text", claims(exp=str(NOW_S + 300)), 11, "claim_type:exp"),
    Row("nbf true", claims(nbf=True), 11, "claim_type:nbf"),
    Row("exp 1e308", claims(exp=1e308), 11, "claim_type:exp"),
    Row("ten years of life", claims(exp=NOW_S + 315_360_000), 12, "lifetime_too_long"),
    Row("NaN in another claim", raw("claims", lambda d: d[:-1] + b',"x":NaN}'), 7, "claims_bad_json"),
    Row("claims in UTF-16", raw("claims", lambda d: d.decode().encode("utf-16")), 7, "claims_bad_json"),
    Row("claims with a byte order mark", raw("claims", lambda d: b"\xef\xbb\xbf" + d), 7, "claims_bad_json"),
    Row("a lone surrogate", raw("claims", lambda d: d[:-1] + b',"x":"\\ud800"}'), 7, "claims_bad_json"),
    Row("an empty aud", claims(aud=""), 11, "claim_type:aud"),
    Row("an empty sub", claims(sub=""), 11, "claim_type:sub"),
    Row('b64 "false"', header(b64="false"), 4, "header_forbidden"),
    Row("a duplicate crit", header(crit=["b64", "b64"], b64=True), 4, "header_crit_unsupported"),
    Row("zip", header(zip="DEF"), 4, "header_forbidden"),
    Row("enc", header(enc="A256GCM"), 4, "header_forbidden"),
    Row("jku", header(jku="https://evil.example"), 4, "header_key_injection"),
    Row("jwk", header(jwk={"kty": "RSA"}), 4, "header_key_injection"),
    Row("cnf ignored", claims(cnf={"jkt": KEY.jkt}), 16, "pop_required"),
    Row("status ignored", listed(given=False), 17, "status_list_unavailable"),
    Row("act ignored", claims(act="somebody"), 11, "claim_type:act"),
    Row("key for encryption", key(use="enc"), 9, "key_use_mismatch"),
    Row("key_ops without verify", key(key_ops=["encrypt"]), 9, "key_use_mismatch"),
    Row("a key of another kid", key(kid="k2"), 9, "kid_unknown"),
    Row("a private key in the set", key(d="AA"), 9, "key_private"),
    Row("two keys of one kid", kid_of_two, 9, "kid_ambiguous"),
    Row("Ed448 under EdDSA", _signed_by("EdDSA", ed448_jwk()), 9, "key_alg_mismatch"),
    Row("RSA of 1024 bits", _small, 9, "key_too_small"),
    Row("= padding on the signature", raw("text", lambda t: t + b"=="), 2, "token_bad_base64"),
    Row("50 MB of payload", raw("text", lambda t: t + b"A" * 50_000_000), 1, "token_too_large"),
]  # fmt: skip
_NOT_TIMES: Final[tuple[Any, ...]] = (None, "1", False, -1, -0.5, 253402300800, 10**400, [], {})
_NOT_TEXTS: Final[tuple[Any, ...]] = (None, 5, True, [], {})
_ACTOR: Final = {"sub": "a", "act": {"sub": "b", "act": {"sub": "c", "act": {"sub": "d", "act": {"sub": "e"}}}}}
STRICT: Final[list[Row]] = [
    Row("nothing", raw("text", lambda _: b""), 1, "token_empty"),
    Row("a space", raw("text", lambda t: t + b" "), 2, "token_bad_charset"),
    Row("alg none", header(alg="none"), 6, "alg_none"),
    Row("alg None, unsigned", _unsigned, 6, "alg_none"),
    Row("HS256 with the public key", _hmac, 6, "alg_not_allowed"),
    *(Row(f"alg {alg!r}", header(alg=alg), 6, "alg_not_allowed")
      for alg in ("HS384", "HS512", "ES256K", "Ed448", "rs256", "", None, 5, ["RS256"], ...)),
    Row("the alg of another kind of key", header(alg="ES256"), 9, "key_alg_mismatch"),
    Row("the key's own alg is another", key(alg="PS256"), 9, "key_alg_mismatch"),
    Row("a typ that is no text", header(typ=5), 5, "typ_mismatch"),
    Row("a typ that is null", header(typ=None), 5, "typ_mismatch"),
    Row("crit", header(crit=["exp"]), 4, "header_crit_unsupported"),
    Row("x5c", header(x5c=["AA"]), 4, "header_key_injection"),
    Row("x5u", header(x5u="https://evil.example"), 4, "header_key_injection"),
    Row("no iss", claims(iss=...), 8, "iss_missing"),
    Row("a slash more", claims(iss="https://login.example.com/tenant/"), 8, "iss_untrusted"),
    Row("a list of issuers", claims(iss=["https://login.example.com/tenant"]), 8, "iss_untrusted"),
    Row("no kid", header(kid=...), 9, "kid_missing"),
    Row("another key", lambda c: setattr(c, "signer", pair("PS256").sign), 10, "signature_invalid"),
    Row("a signature of nothing", raw("signature", lambda _: b""), 10, "signature_invalid"),
    *(Row(f"no {name}", claims(**{name: ...}), 11, f"claim_missing:{name}") for name in ("sub", "aud", "iat")),
    *(Row(f"{name} {value!r}", claims(**{name: value}), 11, f"claim_type:{name}")
      for name in ("exp", "iat", "nbf") for value in _NOT_TIMES),
    *(Row(f"{name} {value!r}", claims(**{name: value}), 11, f"claim_type:{name}")
      for name in ("sub", "jti") for value in _NOT_TEXTS),
    Row("jti empty", claims(jti=""), 11, "claim_type:jti"),
    Row("nhictl a text", claims(nhictl="x"), 11, "claim_type:nhictl"),
    Row("scope a list", claims(scope=["a"]), 11, "claim_type:scope"),
    Row("expired", claims(iat=NOW_S - 300, nbf=NOW_S - 300, exp=NOW_S - 30), 12, "token_expired"),
    Row("expired by a fraction", claims(iat=NOW_S - 300, nbf=NOW_S - 300, exp=NOW_S - 30.5), 12, "token_expired"),
    Row("not yet", claims(nbf=NOW_S + 30.5), 12, "token_not_yet_valid"),
    Row("of the future", claims(iat=NOW_S + 31, nbf=0), 12, "iat_in_future"),
    Row("over before it began", claims(iat=NOW_S + 10, nbf=0, exp=NOW_S + 9.5), 12, "exp_before_iat"),
    Row("an hour and a fraction", claims(exp=NOW_S + 3600.5), 12, "lifetime_too_long"),
    Row("another audience", claims(aud=AUD + "/"), 13, "aud_mismatch"),
    Row("a list of audiences", claims(aud=[AUD]), 13, "aud_multiple"),
    Row("a SPIFFE ID that is none", claims(sub="SPIFFE://example.org/x"), 14, "sub_invalid"),
    Row("an actor without a name", claims(act={"iss": "x"}), 15, "act_malformed"),
    Row("an actor inside that is a text", claims(act={"sub": "a", "act": "b"}), 15, "act_malformed"),
    Row("six actors", claims(act={"sub": "z", "act": _ACTOR}), 15, "act_depth"),
    Row("who may act", claims(may_act={"sub": "x"}), 15, "may_act_violation"),
    Row("bound to what nobody knows", claims(cnf={"kid": "x"}), 16, "cnf_unsupported"),
    Row("bound to two keys", claims(cnf={"jkt": KEY.jkt, "x5t#S256": KEY.jkt}), 16, "cnf_unsupported"),
    Row("bound to a certificate, without it", claims(cnf={"x5t#S256": KEY.jkt}), 16, "pop_required"),
    Row("another key's proof", bound(Key(8)), 16, "dpop_key_mismatch"),
    Row("a proof for another token", bound(ath=b64.encode(bytes(32))), 16, "dpop_ath"),
    Row("an authorization of another kind",
        lambda c: (c.claims.update(authorization_details=[{"type": "payment"}]), c.asked.update(tool="a.b"))[0], 19,
        "constraint_unknown"),
    Row("a call that nothing allows", lambda c: c.asked.update(tool="a.b"), 19, "authz_insufficient"),
    Row("uses are its authority's", claims(nhictl={"uses": 1}), 18, "use_required"),
    Row("revoked", listed(1), 17, "token_revoked"),
    Row("suspended", listed(2), 17, "token_suspended"),
    Row("a status nobody knows", listed(3), 17, "status_unknown_value"),
    Row("an index beyond the list", listed(idx=16), 17, "status_index_out_of_range"),
    Row("a status that names nothing", claims(status={"x": 1}), 17, "status_malformed"),
    Row("an index that is none", listed(idx="0"), 17, "status_malformed"),
    Row("the list of another address", listed(0, uri=URI + "2"), 17, "status_list_unavailable"),
    Row("a list that is too old", listed(0, iat=NOW_S - 61), 17, "status_list_stale"),
    Row("a list that has expired", listed(0, iat=NOW_S - 50, exp=NOW_S), 17, "status_list_expired"),
    Row("a list that another issuer wrote", listed(0, iss="https://evil.example"), 17, "status_list_invalid"),
    Row("a list of tomorrow", listed(0, iat=NOW_S + 31), 17, "status_list_invalid"),
    Row("a list, and a token that names none", lambda c: c.lists.append(c.list_of(0)), 17, "status_missing"),
]  # fmt: skip
GOOD: Final[list[tuple[str, Change]]] = [
    ("as it is", lambda _: None),
    *((f"typ {typ!r}", header(typ=typ)) for typ in ("jwt", "at+jwt", "application/at+jwt", "JOSE", ...)),
    ("headers nobody knows", header(x5t="abc", cty="x", nonce=[1])),
    ("times with fractions", claims(iat=NOW_S - 0.5, nbf=NOW_S + 0.25, exp=NOW_S + 299.75)),
    ("no nbf", claims(nbf=...)),
    ("no jti", claims(jti=...)),
    ("an hour of life", claims(exp=NOW_S + 3600)),
    ("expired within the leeway", claims(iat=NOW_S - 300, nbf=NOW_S - 300, exp=NOW_S - 29.5)),
    ("a SPIFFE ID of any domain", claims(sub="spiffe://other.example/x")),
    ("five actors", claims(act=_ACTOR)),
    ("actors with more in them", claims(act={"sub": "a", "iss": "https://x.example", "client_id": "y"})),
    ("bound, with a proof, four hours long", lambda c: (bound()(c), c.claims.update(exp=NOW_S + 14400))[0]),
    ("a list that says VALID", listed(0, 1)),
    ("a key that says what it is for", key(use="sig", key_ops=["verify"], alg="RS256")),
    ("other keys beside it", lambda c: c.keys.extend([{**pair("ES256").jwk, "kid": "k2", "use": "enc"}, {"kty": "?"}])),
    ("a call its details allow", lambda c: (
        c.claims.update(authorization_details=[{"type": "nhictl_resource_access", "actions": ["a.b"]}], scope="a.b"),
        c.asked.update(tool="a.b", args={}))[0]),
]  # fmt: skip
