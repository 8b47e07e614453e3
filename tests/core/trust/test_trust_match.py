"""Claims are compared whole, by type and value; what may be shown of a token; which running copy it stands for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.identity.spiffe import instance_fault
from nhictl.core.token.verdict import RejectedError
from nhictl.core.trust import document, match, providers
from nhictl.core.trust.value import Trust
from tests.ops.ci_issuer import GITHUB, GITLAB, github, gitlab, trust

SCALARS = st.one_of(st.text(max_size=8), st.integers(), st.booleans())
JSON = st.recursive(
    SCALARS | st.none() | st.floats(allow_nan=False), lambda inner: st.lists(inner, max_size=3), max_leaves=4
)


def read(value: dict[str, Any]) -> Trust:
    return document.read("t", json.dumps(value).encode(), lambda name: (name, b"")).trust


TRUST = read(trust())


@given(st.lists(SCALARS, min_size=1, max_size=4), JSON)
def test_it_fits_exactly_what_is_listed(expected: list[Any], got: Any) -> None:
    exact = [json.dumps(value) for value in expected]
    assert match.fits(expected, got) == (not isinstance(got, float | list) and json.dumps(got) in exact)


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (1, True),
        (True, 1),
        (1, 1.0),
        ("1", 1),
        (1, "1"),
        ("true", True),
        ("a", ["a"]),
        ("a", None),
        (0, False),
        ("a", "a "),
    ],
)
def test_nearly_the_same_is_not_the_same(expected: Any, got: Any) -> None:
    assert not match.fits([expected], got)
    assert match.fits([expected], expected)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, None),
        ({"event_name": "workflow_dispatch"}, None),
        ({"repository": "new-name/octo-repo", "repository_owner": "new-name"}, None),
        ({"repository_id": "456780"}, "claim_mismatch:repository_id"),
        ({"repository_id": 456789}, "claim_mismatch:repository_id"),
        ({"repository_id": ["456789"]}, "claim_mismatch:repository_id"),
        ({"repository_id": "456789 "}, "claim_mismatch:repository_id"),
        ({"repository_id": "0456789"}, "claim_mismatch:repository_id"),
        ({"repository_owner_id": "1"}, "claim_mismatch:repository_owner_id"),
        ({"ref": "refs/heads/main2"}, "claim_mismatch:ref"),
        ({"ref": "refs/heads/Main"}, "claim_mismatch:ref"),
        ({"ref": "refs/pull/7/merge"}, "claim_mismatch:ref"),
        ({"ref_protected": "false"}, "claim_mismatch:ref_protected"),
        ({"ref_protected": True}, "claim_mismatch:ref_protected"),
        ({"event_name": "pull_request"}, "claim_mismatch:event_name"),
        ({"event_name": "pull_request_target"}, "claim_mismatch:event_name"),
        ({"ref_protected": None}, "claim_missing:ref_protected"),
        ({"repository_id": None}, "claim_missing:repository_id"),
    ],
)
def test_every_claim_has_to_fit(change: dict[str, Any], code: str | None) -> None:
    claims = github(**change)
    if code is None:
        match.check(TRUST, claims)
        return
    with pytest.raises(RejectedError) as caught:
        match.check(TRUST, claims)
    assert (caught.value.reason, caught.value.step) == (code, 14)
    assert "expected" in caught.value.message


def test_a_trust_that_names_nothing_admits_nobody() -> None:
    with pytest.raises(RejectedError):
        match.check(TRUST._replace(match={}), github())


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from([*github(), *gitlab(), "email", "name"]), JSON))
def test_nothing_about_people_is_shown(claims: dict[str, Any]) -> None:
    for of in providers.PROVIDERS.values():
        shown = providers.shown(of, ("sub",), claims)
        assert not providers.PERSONAL & shown.keys()
        assert shown.keys() <= of.claims | {"sub"}
        assert all(isinstance(value, str | int) for value in shown.values())


def test_of_a_real_token_everything_but_people_and_the_registered_claims_is_shown() -> None:
    hidden = {"actor", "actor_id", "sub", "aud", "iss", "jti", "nbf", "iat", "exp"}
    assert github().keys() - providers.shown(providers.GITHUB, (), github()).keys() == hidden
    people = {"user_id", "user_login", "user_email", "sub", "aud", "iss", "jti", "nbf", "iat", "exp"}
    assert gitlab().keys() - providers.shown(providers.GITLAB, (), gitlab()).keys() == people


def test_a_long_claim_is_cut() -> None:
    assert len(providers.shown(providers.GITHUB, (), {"workflow": "x" * 9999})["workflow"]) == 512


@pytest.mark.parametrize(
    ("claims", "instance"),
    [
        (github(), "verified.github.1658821493.2.48213906551"),
        (github(check_run_id="48213906552"), "verified.github.1658821493.2.48213906552"),
        (github(run_attempt="3"), "verified.github.1658821493.3.48213906551"),
        (github(check_run_id=48213906551), "verified.github.1658821493.2.48213906551"),
    ],
)
def test_a_job_is_an_instance(claims: dict[str, Any], instance: str) -> None:
    assert providers.instance_of(providers.GITHUB, GITHUB, claims) == instance


@pytest.mark.parametrize("broken", ["", "1.2", "x", "1" * 21, "１", None, True, -1, 1.5, ["1"]])
@pytest.mark.parametrize("claim", ["run_id", "run_attempt", "check_run_id"])
def test_without_a_job_id_every_token_is_an_instance_of_its_own(claim: str, broken: Any) -> None:
    one, two = (
        providers.instance_of(providers.GITHUB, GITHUB, github(jti=jti) | {claim: broken}) for jti in ("a", "b")
    )
    assert one != two
    assert instance_fault(one) is None


def test_the_same_numbers_elsewhere_are_another_instance() -> None:
    found = {
        providers.instance_of(providers.GITLAB, issuer, gitlab())
        for issuer in (GITLAB, "https://gitlab.com", "https://x.y")
    }
    assert len(found) == 3
    assert "verified.gitlab.302" in found
    assert all(instance_fault(name) is None for name in found)


@given(st.text(min_size=1), st.text(min_size=1))
def test_an_instance_is_always_a_good_name(issuer: str, jti: str) -> None:
    for of in providers.PROVIDERS.values():
        assert instance_fault(providers.instance_of(of, issuer, {"jti": jti, "sub": "x"})) is None
