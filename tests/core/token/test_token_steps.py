"""The pure steps: what only a foreign or damaged store could bring about, the facts in their order, and the verdict."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.token import b64, claims, compact, jws, profile, state
from nhictl.core.token.verdict import UNDECIDABLE, RejectedError, Verdict

ISSUER = "https://nhi.example.org"
ES256 = frozenset({"ES256"})
PRIVATE = jws.private_from_bytes(b"\x01" * 32)
JWK = {**jws.public_jwk(PRIVATE), "kid": "k"}
STRANGER = {**jws.public_jwk(jws.private_from_bytes(b"\x02" * 32)), "kid": "k"}


def parsed(header: dict[str, Any] | None = None, body: bytes = b'{"iss":"https://nhi.example.org"}') -> compact.Parsed:
    """A signed token, taken apart."""
    text = jws.sign(header or {"alg": "ES256", "typ": "at+jwt", "kid": "k"}, body, PRIVATE)
    return compact.parse(text.encode(), profile.TYPS[profile.AT_JWT], ES256)


def issuer(*keys: tuple[dict[str, Any], bool], iss: str = ISSUER) -> dict[str, claims.Issuer]:
    """One issuer with these keys."""
    return {iss: claims.Issuer(iss, keys, "example.org", ES256)}


def signed_by(token: compact.Parsed, issuers: dict[str, claims.Issuer]) -> claims.Issuer:
    """Steps 8 to 10: the issuer whose key signed the token."""
    chosen = claims.choose_issuer(token.claims, tuple(issuers.values()))
    claims.check_signature(token, chosen)
    return chosen


KEYS = [
    ((), "kid_unknown"),
    ((({**JWK, "kid": "K"}, False),), "kid_unknown"),
    (((JWK, False), (JWK, False)), "kid_ambiguous"),
    (((JWK, False), (STRANGER, True)), "kid_ambiguous"),
    (((JWK, True),), "key_revoked"),
    ((({**JWK, "d": "AA"}, True),), "key_private"),
    (((STRANGER, False),), "signature_invalid"),
    (((STRANGER, False), ({**JWK, "kid": "other"}, False)), "signature_invalid"),
]


@pytest.mark.parametrize(("keys", "reason"), KEYS)
def test_only_the_one_key_of_that_kid(keys: tuple[tuple[dict[str, Any], bool], ...], reason: str) -> None:
    token = parsed()
    assert signed_by(token, issuer((JWK, False), ({**STRANGER, "kid": "2"}, False))).iss == ISSUER
    with pytest.raises(RejectedError) as caught:
        signed_by(token, issuer(*keys))
    assert (caught.value.step, caught.value.reason) == (10 if reason == "signature_invalid" else 9, reason)


def test_keys_of_another_issuer_are_not_looked_at() -> None:
    both = issuer((STRANGER, False)) | issuer((JWK, False), iss="https://other.example")
    with pytest.raises(RejectedError) as caught:
        signed_by(parsed(), both)
    assert caught.value.reason == "signature_invalid"
    with pytest.raises(RejectedError) as caught:
        signed_by(parsed(), issuer((JWK, False), iss="https://other.example"))
    assert caught.value.reason == "iss_untrusted"


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.binary(max_size=120) | st.text(alphabet="eyJ.A-_= {}", max_size=40).map(str.encode))
def test_parsing_refuses_by_a_step_up_to_seven(data: bytes) -> None:
    with pytest.raises(RejectedError) as caught:
        compact.parse(data, profile.TYPS[profile.AT_JWT], ES256)
    assert 1 <= caught.value.step <= 7
    assert caught.value.reason


def test_what_is_parsed_is_what_was_given() -> None:
    text = jws.sign({"alg": "ES256", "typ": "at+jwt", "kid": "k"}, b'{"a":1}', PRIVATE).encode()
    for given_text in (text, text + b"\n", text + b"\r\n"):
        found = compact.parse(given_text, profile.TYPS[profile.AT_JWT], ES256)
        assert (found.text, found.claims, found.signed) == (text, {"a": 1}, text.rpartition(b".")[0])
        assert b64.encode(found.signature).encode() == text.rpartition(b".")[2]


FINE = state.Facts("active", "live", digest_ok=True, head_ok=True, task="open", uses=None)
FAULTS: list[tuple[dict[str, Any], int, str]] = [
    ({"agent": None}, 14, "agent_unknown"), ({"agent": "suspended"}, 14, "agent_suspended"),
    ({"agent": "retired"}, 14, "agent_retired"), ({"agent": "expired"}, 14, "agent_retired"),
    ({"agent": "something new"}, 14, "agent_retired"), ({"token": None}, 17, "token_unknown"),
    ({"digest_ok": False}, 17, "token_unknown"), ({"head_ok": False}, 17, "token_unknown"),
    ({"token": "revoked"}, 17, "token_revoked"), ({"uses": 0}, 18, "uses_exhausted"), ({"uses": -1}, 18, "uses_exhausted"),
    ({"uses": 1}, 18, "use_required"), ({"task": "closed"}, 19, "task_closed"), ({"task": "killed"}, 19, "task_killed"),
    ({"task": None}, 19, "task_closed"), ({"task": "something new"}, 19, "task_closed"),
]  # fmt: skip


def judge(facts: state.Facts) -> tuple[int, str]:
    """Steps 14 to 19 as verification takes them."""
    try:
        state.check_subject({"sub": "spiffe://example.org/agent/a"}, "example.org", facts)
        state.check_chain({}, ISSUER, "example.org")
        state.check_status(facts)
        state.check_uses(facts, consume=False)
        state.check_task(facts)
    except RejectedError as e:
        return e.step, e.reason
    return 20, "valid"


@pytest.mark.parametrize(("fault", "step", "reason"), FAULTS)
def test_facts_one_by_one(fault: dict[str, Any], step: int, reason: str) -> None:
    assert judge(FINE) == (20, "valid")
    assert judge(FINE._replace(**fault)) == (step, reason)


def test_facts_two_at_a_time() -> None:
    for first, second in combinations(FAULTS, 2):
        if first[0].keys().isdisjoint(second[0]):
            low = min(first, second, key=lambda fault: fault[1])
            step, reason = judge(FINE._replace(**first[0], **second[0]))
            assert step == low[1]
            assert reason in {row[2] for row in (first, second) if row[1] == step}


def test_a_use_left_is_enough_for_a_live_check() -> None:
    state.check_uses(FINE._replace(uses=1), consume=True)
    with pytest.raises(RejectedError, match="uses_exhausted"):
        state.check_uses(FINE._replace(uses=0), consume=True)


def test_scope_there_and_back() -> None:
    """What stands in a token reads back as the boxes it was made of, and what is more than that does not."""
    scope: list[dict[str, Any]] = [
        {"tools": ["a.b"], "resource": "s3://x", "when": {"args.n": {"lte": 1}}}, {"tools": ["c.*"]},
        {"tools": ["d"], "when": {"args.n": {"has": True}}}, {"tools": ["e"], "resource": "/x"},
    ]  # fmt: skip
    entries = profile.details(scope)
    assert profile.boxes(entries) == scope
    assert profile.boxes([]) == []
    strangers: list[Any] = [{**entries[0], "x": []}, {**entries[0], "type": "other"}, {"actions": ["a"]}, None, "a", []]
    for strange in strangers:
        assert profile.boxes([*entries, strange]) is None


@pytest.mark.parametrize(
    ("reason", "status"),
    [("valid", 0), ("clock_regressed", 6), ("token_expired", 1), *((reason, 3) for reason in sorted(UNDECIDABLE))],
)
def test_exit_of_a_verdict(reason: str, status: int) -> None:
    verdict = Verdict(reason, 12, claims={"a": 1}, message="why")
    assert verdict.exit == status
    assert verdict.valid == (status == 0)
    assert ("claims" in verdict.to_json()) == verdict.valid
