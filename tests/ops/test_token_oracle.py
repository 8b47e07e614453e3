"""Other implementations accept what we issue, and hostile bytes get a documented answer and never an exception."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhictl.core.token import b64
from nhictl.core.token.verdict import Verdict
from nhictl.ops.verify_token import consume, verify
from tests.ops.token_codes import DOCUMENTED, generic
from tests.ops.token_home import AUDIENCE, ISSUER, Authority, decoded, loose_json, question, sign

quick = settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def public_jwk(authority: Authority) -> dict[str, Any]:
    """The public key as it would be published."""
    found: dict[str, Any] = json.loads(
        authority.house.db.execute("SELECT public FROM signing_key WHERE use = 'token'").fetchone()[0]
    )
    return found


def refused(verdict: Verdict) -> bool:
    """Whether it is a refusal of the documented kind."""
    assert (verdict.step, generic(verdict.reason)) in DOCUMENTED, verdict.reason
    return not verdict.valid


def test_pyjwt_accepts_it(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    jwt = pytest.importorskip("jwt")
    token = authority.token.token
    key = jwt.PyJWK(public_jwk(authority))
    assert jwt.get_unverified_header(token)["kid"] == public_jwk(authority)["kid"]

    class Then(datetime):
        """PyJWT takes no clock."""

        @classmethod
        def now(cls, tz: Any = None) -> Then:
            return cls.fromtimestamp(authority.clock.now_us / 1_000_000, tz)

    monkeypatch.setattr("jwt.api_jwt.datetime", Then)
    required = ["iss", "sub", "aud", "exp", "iat", "nbf", "jti"]
    found = jwt.decode(
        token, key, algorithms=["ES256"], audience=AUDIENCE, issuer=ISSUER, options={"require": required}
    )
    assert found == decoded(token)[1]
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(token, key, algorithms=["ES256"], audience="https://other.example", issuer=ISSUER)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token[:-4] + "AAAA", key, algorithms=["ES256"], audience=AUDIENCE, issuer=ISSUER)


def test_we_judge_the_signatures_of_pyjwt(authority: Authority) -> None:
    """A token of the same content that PyJWT signed: the signature holds, yet nobody issued it."""
    jwt = pytest.importorskip("jwt")
    header, claims = decoded(authority.token.token)
    made = jwt.encode(claims, authority.private, "ES256", headers={"typ": header["typ"], "kid": header["kid"]})
    verdict = verify(authority.house, question(made))
    assert (verdict.step, verdict.reason) == (17, "token_unknown")
    other = jwt.encode(claims, authority.private, "ES256", headers={"kid": header["kid"]})
    assert verify(authority.house, question(other)).reason == "typ_mismatch"


def test_joserfc_accepts_it(authority: Authority) -> None:
    joserfc = pytest.importorskip("joserfc.jwt")
    ec_key = pytest.importorskip("joserfc.jwk").ECKey

    made = joserfc.decode(authority.token.token, ec_key.import_key(public_jwk(authority)), algorithms=["ES256"])
    assert made.claims == decoded(authority.token.token)[1]


def test_authlib_accepts_it(authority: Authority) -> None:
    jose = pytest.importorskip("authlib.jose")
    made = jose.JsonWebToken(["ES256"]).decode(authority.token.token, jose.JsonWebKey.import_key(public_jwk(authority)))
    assert dict(made) == decoded(authority.token.token)[1]


def test_jwcrypto_accepts_it(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    jwcrypto = pytest.importorskip("jwcrypto.jwt")
    jwk = pytest.importorskip("jwcrypto.jwk").JWK
    monkeypatch.setattr(
        jwcrypto.time, "time", lambda: authority.clock.now_us / 1_000_000
    )  # it takes no time to judge by

    made = jwcrypto.JWT(
        jwt=authority.token.token, key=jwk(**public_jwk(authority)), algs=["ES256"],
        check_claims={"iss": ISSUER, "aud": AUDIENCE, "exp": None},
    )  # fmt: skip
    assert json.loads(made.claims) == decoded(authority.token.token)[1]


def test_every_single_bit_matters(authority: Authority) -> None:
    token = authority.token.token.encode()
    assert verify(authority.house, question(token)).valid, "positive control"
    reasons = set()
    for position in range(len(token)):
        bit = 1 << (position * 5 % 8)
        flipped = token[:position] + bytes([token[position] ^ bit]) + token[position + 1 :]
        verdict = verify(authority.house, question(flipped))
        assert refused(verdict), (position, bit)
        reasons.add(verdict.reason)
    assert {"token_bad_charset", "signature_invalid", "token_bad_base64"} <= reasons


@quick
@given(st.data())
def test_bits_and_pieces(authority: Authority, data: st.DataObject) -> None:
    """Flipped bits, cut, doubled and swapped pieces: only the very token is the token."""
    token = authority.token.token.encode()
    at = data.draw(st.integers(0, len(token) - 1))
    end = data.draw(st.integers(at, len(token)))
    piece = data.draw(st.one_of(st.binary(max_size=8), st.just(token[at:end] * 2), st.just(token[at:end][::-1])))
    changed = token[:at] + piece + token[end:]
    verdict = verify(authority.house, question(changed))
    assert verdict.valid if changed in (token, token + b"\n", token + b"\r\n") else refused(verdict)


@quick
@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass"))))
def test_any_bytes_get_an_answer(authority: Authority, hostile: bytes) -> None:
    assert refused(verify(authority.house, question(hostile)))


_members = st.sampled_from(["alg", "typ", "kid", "crit", "iss", "exp", "aud", "sub", "jti", "act", "nhictl", "x", ""])
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["ES256", "at+jwt", "none", ISSUER, AUDIENCE]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_members, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@quick
@given(st.dictionaries(_members, _values), st.dictionaries(_members, _values), st.binary(max_size=70))
def test_any_json_gets_an_answer(authority: Authority, header: Any, claims: Any, signature: bytes) -> None:
    parts = [loose_json(header), loose_json(claims), signature]
    text = ".".join(map(b64.encode, parts)).encode()
    assert refused(verify(authority.house, question(text)))


@quick
@given(st.dictionaries(st.sampled_from(["exp", "iat", "nbf", "aud", "sub", "client_id", "jti", "txn", "scope", "nhictl",
                                        "authorization_details", "act", "cnf", "may_act", "iss", "status"]),
                       _values, min_size=1, max_size=2))  # fmt: skip
def test_any_signed_claims_get_an_answer(authority: Authority, changes: dict[str, Any]) -> None:
    """Hostile claims that our own key signed and our own store knows: still an answer, and the same one live."""
    with authority.case() as case:
        case.claims.update(changes)
        asked = case.question()
        verdict = verify(case.house, asked)
        assert verdict.valid or refused(verdict)
        live, _ = consume(case.house, asked)
        assert (live.step, live.reason) == (verdict.step, verdict.reason)


_given = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_members, inner, max_size=3),
    max_leaves=6,
)
_operators = st.sampled_from(["eq", "ne", "in", "not_in", "lt", "lte", "glob", "under", "starts_with", "has", "same_as",
                              "absent_ok", "between"])  # fmt: skip
_details = st.fixed_dictionaries(
    {"type": st.just("nhictl_resource_access"), "actions": st.one_of(st.just(["reports.read"]), _values)},
    optional={
        "resource": _values,
        "constraints": st.dictionaries(
            st.sampled_from(["args.limit", "args.x", "resource", "args.", "agent.env"]),
            st.dictionaries(_operators, _values, max_size=2) | _values,
            max_size=2,
        ),
        "delegation": _values,
        "x": _values,
    },
)


@quick
@given(
    st.lists(_details | _values, max_size=2), st.dictionaries(st.sampled_from(["limit", "x", ""]), _given, max_size=2)
)
def test_any_details_get_an_answer(authority: Authority, details: list[Any], args: dict[str, Any]) -> None:
    with authority.case() as case:
        case.claims["authorization_details"] = details
        case.asked["args"] = args
        signed, _ = case.parts()
        assert len(signed) < 16000
        verdict = verify(case.house, case.question())
        assert verdict.valid or refused(verdict)


def test_the_helper_signs_as_the_authority_does(authority: Authority) -> None:
    signed, _, signature = authority.token.token.rpartition(".")
    assert b64.encode(sign(signed.encode(), authority.private)) == signature
