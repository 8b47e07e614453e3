"""A CI system of our own: signs what GitHub's and GitLab's tokens look like, and the trusts that go with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from nhictl.core.token import jws
from tests.core.token.crypto_keys import Pair, compact, pair

AUDIENCE: Final = "https://nhi.example.org"
TARGET: Final = "https://deploy.example.org"
GITHUB: Final = "https://token.actions.githubusercontent.com"
GITLAB: Final = "https://gitlab.example.org"
NOON: Final = 1_780_315_200
"""2026-06-01T12:00:00Z, in seconds."""


def jwk(which: Pair, alg: str, **more: Any) -> dict[str, Any]:
    """The public JWK of a pair, named by its thumbprint."""
    return {**which.jwk, "kid": jws.thumbprint(which.jwk), "alg": alg, "use": "sig", **more}


RSA: Final = pair("RS256")
EC: Final = pair("ES256")
RSA_JWK: Final = jwk(RSA, "RS256")
EC_JWK: Final = jwk(EC, "ES256")


def github(now: int = NOON, **changes: Any) -> dict[str, Any]:
    """The claims of a job of a protected branch, in the shape GitHub gives them; a change to None takes one away."""
    claims = {
        "jti": "9b1c4e4e-0a5d-4b0e-9d2e-5f5f2c1f0001",
        "sub": "repo:octo-org@123456/octo-repo@456789:environment:production", "aud": AUDIENCE, "iss": GITHUB,
        "ref": "refs/heads/main", "ref_type": "branch", "ref_protected": "true",
        "sha": "8fe1b322a576d59fe6257052a4107df7dc1b8c78", "repository": "octo-org/octo-repo",
        "repository_id": "456789", "repository_owner": "octo-org", "repository_owner_id": "123456",
        "repository_visibility": "private", "run_id": "1658821493", "run_number": "10", "run_attempt": "2",
        "check_run_id": "48213906551", "actor": "mona", "actor_id": "99", "workflow": "deploy", "head_ref": "",
        "base_ref": "", "event_name": "push", "environment": "production",
        "workflow_ref": "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main",
        "job_workflow_ref": "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main",
        "runner_environment": "self-hosted", "nbf": now - 600, "iat": now, "exp": now + 300,
    }  # fmt: skip
    return {name: value for name, value in (claims | changes).items() if value is not None}


def gitlab(now: int = NOON, **changes: Any) -> dict[str, Any]:
    """The claims of a job of a protected branch, in the shape GitLab gives them."""
    claims = {
        "namespace_id": "72", "namespace_path": "my-group", "project_id": "20", "project_path": "my-group/my-project",
        "user_id": "1", "user_login": "sample-user", "user_email": "sample-user@example.com", "pipeline_id": "574",
        "pipeline_source": "push", "job_id": "302", "ref": "main", "ref_type": "branch", "ref_path": "refs/heads/main",
        "ref_protected": "true", "runner_id": 1, "runner_environment": "self-hosted",
        "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "project_visibility": "private",
        "ci_config_ref_uri": "gitlab.example.org/my-group/my-project//.gitlab-ci.yml@refs/heads/main",
        "ci_config_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
        "iss": GITLAB, "iat": now, "nbf": now - 5, "exp": now + 3600,
        "sub": "project_path:my-group/my-project:ref_type:branch:ref:main", "aud": AUDIENCE,
    }  # fmt: skip
    return {name: value for name, value in (claims | changes).items() if value is not None}


def sign(claims: dict[str, Any] | bytes, alg: str = "RS256", **header: Any) -> bytes:
    """A token signed by the RSA or the EC key, whatever it says."""
    which, key = (RSA, RSA_JWK) if alg == "RS256" else (EC, EC_JWK)
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return compact({"alg": alg, "typ": "JWT", "kid": key["kid"], **header}, payload, which.sign)


def trust(**changes: Any) -> dict[str, Any]:
    """A trust in the GitHub repository's protected main branch; a change to None takes a member away."""
    made = {
        "nhictl_trust": 1, "name": "deploy-main", "issuer": GITHUB, "jwks": {"keys": [RSA_JWK]}, "audience": AUDIENCE,
        "match": {
            "repository_id": "456789", "repository_owner_id": "123456", "ref": "refs/heads/main",
            "ref_protected": "true", "event_name": ["push", "workflow_dispatch"],
        },
        "agent": "deploy-bot", "intents": ["deploy", "roll-back"],
        "scope": [{"tools": ["deploy.run"], "when": {"args.env": {"in": ["staging", "prod"]}}}, "deploy.status"],
        "token_audiences": [TARGET], "ttl": "5m", "deadline": "30m",
    }  # fmt: skip
    return {name: value for name, value in (made | changes).items() if value is not None}


def gitlab_trust(**changes: Any) -> dict[str, Any]:
    """A trust in a GitLab project's protected branches."""
    match = {"project_id": "20", "namespace_id": "72", "ref_protected": "true", "pipeline_source": "push"}
    return trust(name="gitlab-main", provider="gitlab", issuer=GITLAB, match=match, **changes)


def write(folder: Path, value: dict[str, Any], name: str = "trust.yaml") -> Path:
    """A trust file."""
    path = folder / name
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
    return path
