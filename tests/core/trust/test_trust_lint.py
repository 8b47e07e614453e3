"""Every way a trust can be too open, one change from one that is not; and where lint says it stands."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhictl.core.trust import document
from nhictl.core.trust.gates import _is_pinned
from nhictl.core.trust.lint import lint
from tests.core.token.crypto_keys import rsa_jwk, rsa_private
from tests.ops.ci_issuer import EC_JWK, GITHUB, GITLAB, RSA_JWK, gitlab_trust, trust

IDS = {"repository_id": "456789", "repository_owner_id": "123456"}
PUSH = {"event_name": "push"}
WORKFLOW = "octo-org/octo-repo/.github/workflows/deploy.yml"
CONFIG = "gitlab.example.org/my-group/my-project//.gitlab-ci.yml"


def found(value: dict[str, Any]) -> dict[str, str]:
    """The codes that lint gives a trust, with their severity."""
    source = document.read("t.yaml", json.dumps(value).encode(), lambda name: (name, b""))
    return {one.code: "error" if one.error else "warning" for one in lint(source)}


def matching(**claims: Any) -> dict[str, Any]:
    """The GitHub trust with the ids and these claims."""
    return trust(match=IDS | PUSH | claims)


@pytest.mark.parametrize(
    "good",
    [
        trust(),
        gitlab_trust(),
        matching(workflow_ref=f"{WORKFLOW}@refs/heads/main"),
        matching(workflow_ref=[f"{WORKFLOW}@refs/tags/v1", f"{WORKFLOW}@8fe1b322a576d59fe6257052a4107df7dc1b8c78"]),
        matching(environment="production", ref="refs/heads/main", ref_protected="true"),
        trust(jwks={"keys": [RSA_JWK, EC_JWK]}),
        gitlab_trust()
        | {"match": {"project_id": "20", "namespace_id": "72", "ci_config_ref_uri": f"{CONFIG}@refs/heads/main"}},
        gitlab_trust()
        | {"match": {"project_id": "20", "namespace_id": "72", "environment": "p", "environment_protected": "true"}},
        trust(provider="other", issuer="https://ci.example.org", match={"sub": "team-a", "branch": "main", "n": 1}),
    ],
)
def test_nothing_is_said_of_a_good_one(good: dict[str, Any]) -> None:
    assert found(good) == {}


ERRORS: list[tuple[str, dict[str, Any]]] = [
    ("audience_missing", trust(audience=None)),
    ("id_missing", trust(match=None)),
    ("id_missing", trust(match={"sub": "repo:octo-org/octo-repo:ref:refs/heads/main"})),
    ("id_missing", trust(match={"repository": "octo-org/octo-repo", "ref": "refs/heads/main", "ref_protected": "true"})),
    ("id_missing", trust(match={k: v for k, v in trust()["match"].items() if k != "repository_id"})),
    ("id_missing", trust(match={k: v for k, v in trust()["match"].items() if k != "repository_owner_id"})),
    ("id_missing", gitlab_trust() | {"match": {"project_path": "my-group/my-project", "ref_protected": "true"}}),
    ("id_missing", trust(provider="other", issuer="https://ci.example.org", match={"branch": "main"})),
    ("gate_missing", matching()),
    ("gate_missing", matching(ref="refs/heads/main")),
    ("gate_missing", matching(runner_environment="self-hosted")),
    ("gate_missing", trust(match=None)),
    ("gate_missing", trust(match={"sub": "repo:octo-org/octo-repo:ref:refs/heads/main"})),
    ("gate_missing", gitlab_trust() | {"match": {"project_id": "20", "namespace_id": "72", "ref": "main"}}),
    ("ref_unnamed", matching(ref_protected="true")),
    ("ref_unprotected", matching(ref="refs/heads/main", ref_protected="false")),
    ("ref_unprotected", matching(ref="refs/heads/main", ref_protected=["true", "false"])),
    ("ref_unprotected", gitlab_trust() | {"match": {"project_id": "20", "namespace_id": "72", "ref_protected": "false"}}),
    ("ref_proposal", matching(ref="refs/pull/7/merge", ref_protected="true")),
    ("ref_short", matching(ref="main", ref_protected="true")),
    ("environment_unprotected", gitlab_trust() | {"match": {"project_id": "20", "namespace_id": "72", "environment": "p"}}),
    ("environment_unprotected", gitlab_trust() | {"match": {
        "project_id": "20", "namespace_id": "72", "environment": "p", "environment_protected": "false"}}),
    ("workflow_unpinned", matching(workflow_ref=WORKFLOW)),
    ("workflow_unpinned", matching(workflow_ref=f"{WORKFLOW}@main")),
    ("workflow_unpinned", matching(workflow_ref=f"{WORKFLOW}@refs/pull/7/merge")),
    ("workflow_unpinned", matching(workflow_ref=f"{WORKFLOW}@refs/heads/")),
    ("workflow_unpinned", matching(job_workflow_ref=[f"{WORKFLOW}@refs/heads/main", WORKFLOW])),
    ("workflow_unpinned", gitlab_trust() | {"match": {"project_id": "20", "namespace_id": "72", "ci_config_ref_uri": CONFIG}}),
    ("event_forks", matching(event_name=["push", "pull_request_target"], ref="refs/heads/main", ref_protected="true")),
    ("wildcard", trust(match=trust()["match"] | {"environment": "prod*"})),
    ("wildcard", trust(match=trust()["match"] | {"environment": ".*"})),
    ("wildcard", trust(match=trust()["match"] | {"environment": "prod.+"})),
    ("wildcard", trust(match=trust()["match"] | {"environment": "prod-?"})),
    ("wildcard", trust(match=trust()["match"] | {"environment": "a|b"})),
    ("wildcard", trust(match=trust()["match"] | {"environment": "^production"})),
    ("wildcard", trust(match=trust()["match"] | {"environment": ["x", "production$"]})),
    ("wildcard", trust(match=trust()["match"] | {"environment": "${{ env.X }}"})),
    ("claim_type", trust(match=trust()["match"] | {"repository_id": 456789})),
    ("claim_type", trust(match=trust()["match"] | {"ref_protected": True})),
    ("claim_type", gitlab_trust() | {"match": gitlab_trust()["match"] | {"runner_id": "1"}}),
    ("claim_personal", trust(match=trust()["match"] | {"actor": "mona"})),
    ("claim_personal", gitlab_trust() | {"match": gitlab_trust()["match"] | {"user_email": "a@example.org"}}),
    ("claim_personal", trust(provider="other", issuer="https://ci.example.org", match={"sub": "a", "email": "a@b.org"})),
    ("claim_unknown", trust(match=trust()["match"] | {"repositry": "x"})),
    ("claim_unknown", trust(match=trust()["match"] | {"project_id": "20"})),
    ("claim_reserved", trust(match=trust()["match"] | {"aud": "https://nhi.example.org"})),
    ("issuer_not_https", gitlab_trust() | {"issuer": "http://gitlab.example.org"}),
    ("issuer_malformed", gitlab_trust() | {"issuer": "https://user@gitlab.example.org"}),
    ("issuer_malformed", gitlab_trust() | {"issuer": "https://gitlab.example.org?x"}),
    ("issuer_malformed", gitlab_trust() | {"issuer": "https:///x"}),
    ("provider_mismatch", trust(provider="other", match={"sub": "x", "branch": "main"})),
    ("provider_mismatch", trust(provider="gitlab")),
    ("provider_mismatch", trust(provider="other", issuer="https://ghes.example.org/_services/token", match={"sub": "x"})),
    ("provider_mismatch", trust(provider="other", issuer=GITLAB, match={"sub": "project_path:g/p:ref_type:branch:ref:main"})),
    ("intents_missing", trust(intents=[])),
    ("intents_missing", trust(intents=None)),
    ("scope_missing", trust(scope=[])),
    ("scope_missing", trust(scope=None)),
    ("scope_open", trust(scope=["*"])),
    ("scope_open", trust(scope=["deploy.run", {"tools": ["x", "*.*"]}])),
    ("set_empty", trust(jwks={"keys": []})),
    ("set_malformed", trust(jwks={"keyz": []})),
    ("kid_missing", trust(jwks={"keys": [{k: v for k, v in RSA_JWK.items() if k != "kid"}]})),
    ("kid_ambiguous", trust(jwks={"keys": [RSA_JWK, EC_JWK | {"kid": RSA_JWK["kid"]}]})),
    ("key_private", trust(jwks={"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]})),
    ("set_mixed", trust(jwks={"keys": [RSA_JWK, {"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]})),
    ("key_private", trust(jwks={"keys": [EC_JWK | {"d": EC_JWK["x"]}]})),
    ("key_too_small", trust(jwks={"keys": [{**rsa_jwk(rsa_private(1024).public_key()), "kid": "a", "alg": "RS256"}]})),
    ("key_use_mismatch", trust(jwks={"keys": [RSA_JWK | {"use": "enc"}]})),
    ("algorithm_unused", trust(algorithms=["ES256", "RS256"])),
]  # fmt: skip


@pytest.mark.parametrize(("code", "bad"), ERRORS, ids=[f"{n}-{code}" for n, (code, _) in enumerate(ERRORS)])
def test_an_error(code: str, bad: dict[str, Any]) -> None:
    assert found(bad).get(code) == "error"


@pytest.mark.parametrize(
    ("code", "loose"),
    [
        ("event_unpinned", trust(match=IDS | {"ref": "refs/heads/main", "ref_protected": "true"})),
        ("event_outsiders", trust(match=trust()["match"] | {"event_name": ["push", "issue_comment"]})),
        (
            "event_outsiders",
            gitlab_trust() | {"match": gitlab_trust()["match"] | {"pipeline_source": "merge_request_event"}},
        ),
        ("environment_unproven", matching(environment="production")),
        ("caller_unpinned", matching(job_workflow_ref="octo-org/shared/.github/workflows/x.yml@refs/heads/main")),
        ("name_mutable", trust(match=trust()["match"] | {"repository": "octo-org/octo-repo"})),
        ("sub_format", trust(match=trust()["match"] | {"sub": "repo:octo-org/octo-repo:ref:refs/heads/main"})),
        ("namespace_unpinned", gitlab_trust() | {"match": {"project_id": "20", "ref_protected": "true"}}),
        ("gate_unknown", trust(provider="other", issuer="https://ci.example.org", match={"sub": "x"})),
        ("audience_default", trust(audience="https://github.com/octo-org")),
        ("audience_default", gitlab_trust(audience=GITLAB)),
        ("audience_shared", trust(audience="sts.amazonaws.com")),
        ("scope_broad", trust(scope=["deploy.*"])),
        ("token_audiences_open", trust(token_audiences=None)),
        ("lifetime_long", trust(max_lifetime="2h")),
        ("deadline_long", trust(deadline="2d")),
        ("alg_missing", trust(jwks={"keys": [{k: v for k, v in RSA_JWK.items() if k != "alg"}]})),
        ("certificate_ignored", trust(jwks={"keys": [RSA_JWK | {"x5t": "abc"}]})),
    ],
)
def test_a_warning_and_nothing_else(code: str, loose: dict[str, Any]) -> None:
    assert found(loose) == {code: "warning"}


def test_where_it_stands() -> None:
    text = (
        "nhictl_trust: 1\nname: x\nissuer: "
        + GITHUB
        + "\njwks: keys.json\nagent: a\nmatch:\n  ref: main\n  ref_protected: 'true'\n"
    )
    source = document.read("t.yaml", text.encode(), lambda name: ("/k/" + name, b'{"keys": [{"kty": "oct"}]}'))
    places = {f["code"]: (f["file"], f["line"], f["column"]) for f in (one.to_json(source) for one in lint(source))}
    assert places["ref_short"] == ("t.yaml", 7, 3)
    assert places["id_missing"] == ("t.yaml", 6, 1)
    assert places["audience_missing"] == ("t.yaml", 1, 1)
    assert places["key_private"] == ("/k/keys.json", None, None)


@given(st.text(alphabet="refs/headtgmain@0123456789abcdef.-", max_size=80))
def test_a_pinned_workflow_names_its_version(text: str) -> None:
    if _is_pinned(text):
        version = text.partition("@")[2]
        assert version.startswith(("refs/heads/", "refs/tags/")) or len(version) in (40, 64)
        assert text.partition("@")[0]
