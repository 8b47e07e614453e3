"""Profile `generic`: any issuer's tokens by any public-key algorithm, and nothing let pass that ours would be refused for."""

from __future__ import annotations

import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhictl.core.token import b64, profile, status_list
from nhictl.errors import InputError
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_offline import Known, Verifier, verify_offline
from tests.core.token.crypto_keys import EVERY_ALG
from tests.harness import NOON_US
from tests.ops.token_codes import DOCUMENTED, generic
from tests.ops.token_foreign import AUD, ISS, Foreign
from tests.ops.token_vectors_foreign import ACCEPTED_BY_PYJWT, GOOD, STRICT, Change, Row, listed

ROWS = [*ACCEPTED_BY_PYJWT, *STRICT]
UNDECIDED = {"status_list_unavailable", "status_list_stale", "use_required"}


@pytest.mark.parametrize("alg", EVERY_ALG)
def test_every_algorithm_that_has_a_public_key(alg: str) -> None:
    case = Foreign(alg)
    assert (case.verify().reason, case.verify().step) == ("valid", 17)
    case.raw_signature.append(lambda s: s[:-1] + bytes([s[-1] ^ 1]))
    assert case.verify().reason == "signature_invalid"


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.step}-{row.reason}-{row.name[:40]}" for row in ROWS])
def test_one_thing_wrong(row: Row) -> None:
    case = Foreign()
    assert case.verify().reason == "valid", "positive control"
    row.change(case)
    verdict = case.verify()
    assert (verdict.step, verdict.reason) == (row.step, row.reason)
    assert verdict.exit == (3 if row.reason in UNDECIDED else 1)
    assert "claims" not in verdict.to_json()
    assert (row.step, generic(row.reason)) in DOCUMENTED


@pytest.mark.parametrize("change", [row[1] for row in GOOD], ids=[row[0] for row in GOOD])
def test_what_makes_no_difference(change: Change) -> None:
    case = Foreign()
    change(case)
    assert case.verify().reason == "valid"


def test_no_two_rows_are_the_same() -> None:
    names = [(row.name, row.reason) for row in ROWS]
    assert len(set(names)) == len(names)


_ASKED_OF_PYJWT = {  # what its decode() is asked; the others are about keys and sizes
    "a claim twice", "a header twice", "typ logout+jwt", "typ dpop+jwt", "typ anything", "typ statuslist+jwt", "no exp",
    "exp as text", "nbf true", "ten years of life", "NaN in another claim", "claims in UTF-16",
    "claims with a byte order mark", "an empty sub", "zip", "enc", "jku", "jwk", "cnf ignored", "status ignored",
    "= padding on the signature", "a lone surrogate", "act ignored",
}  # fmt: skip


def test_pyjwt_accepts_what_is_said_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are attacks and not strawmen: the library that most people verify with takes them."""
    jwt = pytest.importorskip("jwt")
    from datetime import datetime

    class Then(datetime):
        """PyJWT takes no clock."""

        @classmethod
        def now(cls, tz: Any = None) -> Then:
            return cls.fromtimestamp(NOON_US / 1_000_000, tz)

    monkeypatch.setattr("jwt.api_jwt.datetime", Then)
    assert {row.name for row in ACCEPTED_BY_PYJWT} >= _ASKED_OF_PYJWT
    for row in ACCEPTED_BY_PYJWT:
        if row.name in _ASKED_OF_PYJWT:
            case = Foreign()
            row.change(case)
            public = jwt.PyJWK(case.keys[0])
            assert jwt.decode(case.token(), public, algorithms=["RS256"], audience=AUD, issuer=ISS), row.name


def test_the_issuer_is_the_verifiers_to_name_and_of_a_trust_domain_only_its_ids_count() -> None:
    case = Foreign()
    case.issuer = "https://other.example"
    assert case.verify().reason == "iss_untrusted"
    case = Foreign()
    case.issuer = case.claims["iss"] = "spiffe://example.org"
    assert case.verify().reason == "sub_invalid"
    case.claims["sub"] = "spiffe://other.example/x"
    assert case.verify().reason == "trust_domain_mismatch"
    case.claims["sub"] = "spiffe://example.org/x"
    assert case.verify().reason == "valid"


@pytest.mark.parametrize("keys", [{"kty": "RSA"}, [], {"keys": [{}] * 1001}, None])
def test_what_is_no_set_of_public_keys_is_the_callers_fault(keys: Any) -> None:
    with pytest.raises(InputError) as caught:
        verify_offline(Known(ISS, keys), Question(b"x", AUD, kind=profile.GENERIC), NOON_US)
    assert caught.value.code == "invalid_jwks"


def test_a_set_that_mixes_public_with_symmetric_keys_is_not_used() -> None:
    case = Foreign()
    case.keys.append({"kty": "oct", "k": "AAAA", "kid": "s"})
    with pytest.raises(InputError, match="mixes"):
        case.verify()


def test_it_is_not_a_profile_of_our_own() -> None:
    with pytest.raises(InputError, match="other issuers"):
        profile.known(profile.GENERIC)


def test_keys_and_lists_are_read_once_and_a_bad_list_stays_bad() -> None:
    case = Foreign()
    listed(0)(case)
    verifier = Verifier(Known(ISS, {"keys": case.keys}, case.lists))
    asked = Question(case.token(), AUD, kind=profile.GENERIC)
    assert [verify_offline(verifier, asked, NOON_US).reason for _ in range(2)] == ["valid", "valid"]
    bad = Verifier(Known(ISS, {"keys": case.keys}, [b"x"]))
    assert [verify_offline(bad, asked, NOON_US).reason for _ in range(2)] == ["status_list_invalid"] * 2


quick = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
_members = st.sampled_from(
    ["alg", "typ", "kid", "crit", "iss", "exp", "aud", "sub", "act", "cnf", "status", "nhictl", "x"]
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["RS256", "EdDSA", "at+jwt", "none", "k1", ISS, AUD]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_members, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
OF_KEYS = {(9, "key_malformed"), (9, "key_unsupported"), (9, "key_weak")}
"""Codes of step 9 for keys of other people, which the table has no word for."""
KINDS = (profile.GENERIC, profile.AT_JWT, profile.JWT_SVID)


def judged(case: Foreign, token: bytes, kind: str) -> None:
    """Whatever it is, there is an answer of the documented kind."""
    asked = Question(token, AUD, kind=kind)
    verdict = verify_offline(Known(ISS, {"keys": case.keys}, [token]), asked, NOON_US)
    assert verdict.valid or (verdict.step, generic(verdict.reason)) in DOCUMENTED | OF_KEYS, verdict.reason


@quick
@given(
    st.binary(max_size=300) | st.text(max_size=99).map(lambda t: t.encode("utf-8", "surrogatepass")),
    st.sampled_from(KINDS),
)
def test_any_bytes_get_an_answer(hostile: bytes, kind: str) -> None:
    judged(Foreign("ES256"), hostile, kind)


@quick
@given(st.dictionaries(_members, _values), st.dictionaries(_members, _values), st.sampled_from(KINDS))
def test_any_header_and_claims_that_the_issuers_key_signed_get_an_answer(head: Any, body: Any, kind: str) -> None:
    case = Foreign("ES256")
    judged(case, case.jws(case.header | head, case.claims | body), kind)


@quick
@given(st.lists(_values, max_size=3), st.dictionaries(st.sampled_from(["kty", "n", "e", "x", "crv", "alg", "use", "key_ops",
                                                                       "kid", "d"]), _values, max_size=3))  # fmt: skip
def test_any_keys_get_an_answer_or_are_the_callers_fault(others: list[Any], changed: dict[str, Any]) -> None:
    case = Foreign()
    case.keys = [{**case.keys[0], **changed}, *others]
    try:
        judged(case, case.token(), profile.GENERIC)
    except InputError as e:
        found = e.code
    else:
        return
    assert found == "invalid_jwks"


def _filled(size: int) -> str:
    return b64.encode(zlib.compress(bytes(size), 9))


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("a bomb of 64 MiB", 1 << 26, "inflates to more than"),
        ("a byte too many", (4 << 20) + 1, "inflates to more than"),
    ],
)
def test_a_list_that_inflates_too_far_costs_no_more_than_one_that_may(name: str, size: int, said: str) -> None:
    lst = _filled(size)
    case = Foreign("ES256")
    listed(0, status_list={"bits": 2, "lst": lst})(case)
    token = case.token()
    asked = Question(token, AUD, kind=profile.GENERIC)
    tracemalloc.start()
    verdict = verify_offline(Known(ISS, {"keys": case.keys}, case.lists), asked, NOON_US)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (verdict.step, verdict.reason) == (17, "status_list_invalid"), name
    assert said in verdict.message
    assert peak < 24 << 20, "bytes: the list, decoded and inflated as far as one may"
    case.lists = []
    listed(0, status_list={"bits": 2, "lst": _filled(4 << 20)})(case)
    assert case.verify().reason == "valid", "the largest one there may be"


def test_a_list_that_is_too_long_is_not_even_decoded() -> None:
    case = Foreign("ES256")
    listed(0)(case)
    case.lists = [case.lists[0] + b"A" * status_list.MAX_LIST]
    verdict = case.verify()
    assert (verdict.reason, "token_too_large" in verdict.message) == ("status_list_invalid", True)


def test_a_token_that_is_mostly_brackets_costs_little() -> None:
    case = Foreign("ES256")
    case.raw_claims.append(lambda d: d[:-1] + b',"act":' + b'{"act":' * 1100 + b"1" + b"}" * 1101)
    assert case.verify().reason == "claims_bad_json"
    assert len(case.token()) < 16384
    assert b64.decode(case.token().split(b".")[1].decode())
