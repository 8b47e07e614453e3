"""What a command under `nhictl run` does not inherit: variables that would let it obtain more authority than its token.

One table, which help shows. Other secrets that a command may need (database passwords, keys of model providers) are not
in it: they are what they are, and make nothing new.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from nhictl.errors import InputError


class Kind(NamedTuple):
    """Variables of one kind: what they are, their names (`NAME*` is a prefix), and the exceptions that stay."""

    what: str
    names: tuple[str, ...]
    stay: tuple[str, ...] = ()


STRIPPED: Final = (
    Kind(
        "tokens of CI systems, and what fetches them",
        (
            "ACTIONS_ID_TOKEN_REQUEST_*", "ACTIONS_RUNTIME_TOKEN", "GITHUB_TOKEN", "GH_TOKEN", "GH_ENTERPRISE_TOKEN",
            "GITHUB_ENTERPRISE_TOKEN", "GITLAB_TOKEN", "CI_JOB_TOKEN", "CI_JOB_JWT*", "CI_BUILD_TOKEN", "CI_REPOSITORY_URL",
            "CI_REGISTRY_PASSWORD", "CI_DEPLOY_PASSWORD", "CI_DEPENDENCY_PROXY_PASSWORD", "CIRCLE_OIDC_TOKEN*",
            "BITBUCKET_STEP_OIDC_TOKEN", "BUILDKITE_AGENT_ACCESS_TOKEN", "SYSTEM_ACCESSTOKEN", "SYSTEM_OIDCREQUESTURI",
            "TFC_WORKLOAD_IDENTITY_TOKEN*",
        ),
    ),
    Kind(
        "cloud identities",
        (
            "AWS_*", "AZURE_*", "ARM_*", "MSI_*", "IDENTITY_*", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CREDENTIALS",
            "GOOGLE_GHA_CREDS_PATH", "GOOGLE_OAUTH_ACCESS_TOKEN", "GCLOUD_*", "CLOUDSDK_AUTH_*", "CLOUDSDK_CONFIG",
        ),
        ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PAGER", "AWS_DEFAULT_OUTPUT"),
    ),
    Kind(
        "agents, tickets and sockets that sign for whoever asks",
        ("SSH_AUTH_SOCK", "SSH_AGENT_PID", "GPG_AGENT_INFO", "KRB5CCNAME", "KRB5_*", "SPIFFE_ENDPOINT_SOCKET"),
    ),
    Kind(
        "logins of secret stores, clusters and registries",
        (
            "VAULT_*", "BAO_*", "CONSUL_HTTP_TOKEN*", "NOMAD_TOKEN", "KUBECONFIG", "OP_SERVICE_ACCOUNT_TOKEN",
            "OP_SESSION_*", "BWS_ACCESS_TOKEN", "DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "NPM_TOKEN", "NODE_AUTH_TOKEN",
            "TWINE_PASSWORD", "UV_PUBLISH_*", "CARGO_REGISTRY_TOKEN",
        ),
        ("VAULT_ADDR", "VAULT_CACERT", "VAULT_NAMESPACE", "BAO_ADDR", "UV_PUBLISH_URL"),
    ),
    Kind("nhictl's own", ("NHICTL_*",), ("NHICTL_HOME", "NHICTL_STORE", "NHICTL_OUTPUT")),
)  # fmt: skip
ALSO: Final = "and any variable whose value is a JWT, or an NHICTL_STORE that is no file"


def summary() -> str:
    """The table in words, for help."""
    return "; ".join(f"{kind.what}: {', '.join(kind.names)}" for kind in STRIPPED) + f"; {ALSO}."


def stripped(env: Mapping[str, str], keep: Collection[str]) -> dict[str, str]:
    """The environment without what the table names; a variable in `keep` stays whatever it is.

    InputError (2) for a name in `keep` that no variable can have.
    """
    for name in keep:
        if not name or "=" in name:
            raise InputError(f"--keep-env `{name}` is no variable's name", code="usage")
    return {name: value for name, value in env.items() if name in keep or not _falls(name, value)}


def _falls(name: str, value: str) -> bool:
    for kind in STRIPPED:
        if name not in kind.stay and any(_matches(pattern, name) for pattern in kind.names):
            return True
    return _is_jwt(value) or (name == "NHICTL_STORE" and not value.startswith("sqlite:"))


def _matches(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _is_jwt(value: str) -> bool:
    """Whether it looks like a signed JWT: GitLab jobs choose the names of their identity tokens themselves."""
    parts = value.strip().split(".")
    return len(parts) == 3 and parts[0].startswith("ey") and all(len(part) > 10 for part in parts[:2])
