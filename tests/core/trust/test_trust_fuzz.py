"""Any document at the reader and any bytes at the checks: a located error, findings, or a reason code; never a crash."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhictl.core.token.verdict import RejectedError
from nhictl.core.trust import document, providers
from nhictl.core.trust.lint import lint
from nhictl.errors import InputError
from nhictl.ops.exchange_checks import CHECKS, Case, everything, judge
from nhictl.store import trusts as table
from tests.core.token.crypto_keys import compact
from tests.ops.ci_issuer import RSA, RSA_JWK, github, gitlab, gitlab_trust, sign, trust
from tests.ops.exchange_house import Exchange

NUMBERS = (
    st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([10**400, -(10**400), 1e308])
)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=12)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
CLAIMS = sorted({*github(), *gitlab(), "crit", "email"})


@settings(max_examples=60)
@given(st.sampled_from([trust(), gitlab_trust()]), st.sampled_from([*document.FIELDS, "odd"]), JSON)
def test_a_trust_with_anything_in_one_place(good: dict[str, Any], field: str, value: Any) -> None:
    data, places = json.dumps(good | {field: value}).encode(), []
    try:
        source = document.read("t", data, lambda name: (name, b"{}"))
    except InputError as e:
        places.append(e.details.get("file"))
    if places:
        assert places == ["t"]
        return
    for finding in lint(source):
        told = finding.to_json(source)
        assert told["severity"] in ("error", "warning")
        assert told["message"]


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(CLAIMS) | st.text(min_size=1, max_size=5), JSON, max_size=4))
def test_a_trust_that_matches_anything(claims: dict[str, Any]) -> None:
    for good in (trust(), gitlab_trust()):
        try:
            source = document.read("t", json.dumps(good | {"match": claims}).encode(), lambda name: (name, b"{}"))
        except InputError:
            continue
        found = {finding.code for finding in lint(source) if finding.error}
        ids = providers.PROVIDERS[source.trust.provider].ids
        assert ("id_missing" in found) == any(claim not in source.trust.match for claim in ids)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Exchange:
    return Exchange(Path(tmp_path_factory.mktemp("fuzz")))


def judged(home: Exchange, token: bytes) -> str | None:
    """The reason a token is refused for, None if it is good; explaining it comes to the same."""
    row = table.newest(home.house.db, "deploy-main")
    assert row is not None
    told = everything(Case(home.house, row, token, home.now))
    assert [name for name, _ in told] == [check.name for check in CHECKS if check.name != "request"]
    refused = [outcome.reason for _, outcome in told if isinstance(outcome, RejectedError)]
    case = Case(home.house, row, token, home.now)
    found: list[RejectedError] = []
    try:
        judge(case)
    except RejectedError as e:
        found.append(e)
    assert case.proved in ("own", "foreign", "unproven")
    assert [e.reason for e in found] == refused[:1]
    return found[0].reason if found else None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=200) | st.text(alphabet="eyJhbGciOi.-_=\n", max_size=60).map(str.encode))
def test_any_bytes(home: Exchange, data: bytes) -> None:
    assert judged(home, data) is not None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.dictionaries(st.sampled_from(CLAIMS), JSON, max_size=3))
def test_any_claims_that_are_truly_signed(home: Exchange, changes: dict[str, Any]) -> None:
    """Whatever the issuer signs: it is good only if every claim that counts is what it was."""
    claims = copy.deepcopy(github()) | changes
    reason = judged(home, sign(json.dumps(claims).encode()))
    pinned = {"iss", "aud", "repository_id", "repository_owner_id", "ref", "ref_protected"}
    if any(claims[claim] != github()[claim] for claim in pinned):
        assert reason is not None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk", "x5c", "cty"]), JSON, min_size=1, max_size=3
    )
)
def test_any_header_that_is_truly_signed(home: Exchange, header: dict[str, Any]) -> None:
    whole = {"alg": "RS256", "typ": "JWT", "kid": RSA_JWK["kid"]} | header
    reason = judged(home, compact(whole, json.dumps(github()).encode(), RSA.sign))
    if header.keys() & {"alg", "crit", "b64", "jwk", "x5c", "kid"}:
        assert reason is not None
