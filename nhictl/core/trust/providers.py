"""What the tokens of CI systems say: which claims never change hands, which may be shown, and which name one run.

GitHub: "OpenID Connect reference" in its Actions documentation; GitLab: "OpenID Connect authentication using ID tokens".
Claims about people (`actor`, `user_login`, `user_email` and their like) are in none of the lists: they are not matched,
shown or kept.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final, NamedTuple


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


class Provider(NamedTuple):
    """A kind of issuer.

    `ids` have to be matched; `names` are readable and can be given to somebody else; `claims` is everything that may
    be matched, shown and kept; `run` are the claims of run, attempt and job; `lifetime_s` the longest life of a token
    where a trust says nothing.
    """

    name: str
    ids: tuple[str, ...]
    names: tuple[str, ...]
    claims: frozenset[str]
    run: tuple[str, str | None, str]
    lifetime_s: int


GITHUB: Final = Provider(
    "github",
    ("repository_id", "repository_owner_id"),
    ("repository", "repository_owner", "enterprise", "workflow"),
    _words(
        "repository repository_id repository_owner repository_owner_id repository_visibility enterprise enterprise_id"
        " ref ref_type ref_protected sha head_ref base_ref event_name workflow workflow_ref workflow_sha"
        " job_workflow_ref job_workflow_sha environment environment_node_id run_id run_number run_attempt check_run_id"
        " runner_environment"
    ),
    ("run_id", "run_attempt", "check_run_id"),
    900,
)
GITLAB: Final = Provider(
    "gitlab",
    ("project_id",),
    ("project_path", "namespace_path", "job_project_path", "job_namespace_path"),
    _words(
        "project_id project_path project_visibility namespace_id namespace_path job_project_id job_project_path"
        " job_namespace_id job_namespace_path job_source pipeline_id pipeline_source job_id ref ref_type ref_path"
        " ref_protected environment environment_protected environment_action deployment_tier runner_id"
        " runner_environment sha ci_config_ref_uri ci_config_sha"
    ),
    ("pipeline_id", None, "job_id"),
    3600,
)
OTHER: Final = Provider("other", ("sub",), (), frozenset(), ("", None, ""), 900)
PROVIDERS: Final = {provider.name: provider for provider in (GITHUB, GITLAB, OTHER)}
NUMERIC: Final = frozenset({"runner_id"})
"""The one claim of those above that is a number; all others are strings, also the ids and `ref_protected`."""
PERSONAL: Final = _words(
    "actor actor_id triggering_actor user_id user_login user_email user_identities user_access_level groups_direct"
    " email email_verified name given_name family_name middle_name nickname preferred_username profile picture website"
    " gender birthdate zoneinfo locale phone_number phone_number_verified address upn unique_name"
)
_REGISTERED: Final = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})
_PUBLIC: Final = {"https://token.actions.githubusercontent.com": GITHUB, "https://gitlab.com": GITLAB}
_SHOWN: Final = 512


def of_issuer(issuer: str) -> Provider | None:
    """The provider that an issuer's URL gives away: the public ones, and GitHub's on other hosts; None for the rest."""
    host, _, path = issuer.removeprefix("https://").partition("/")
    if host == "token.actions.githubusercontent.com" or (
        host.startswith("token.actions.") and host.endswith(".ghe.com")
    ):
        return GITHUB
    if path.endswith("_services/token"):
        return GITHUB
    return _PUBLIC.get(issuer)


def refused(provider: Provider, claim: str) -> tuple[str, str] | None:
    """Why a trust may not match `claim`, as (code, sentence), or None."""
    if claim in _REGISTERED:
        return "claim_reserved", f"`{claim}` is checked for every token: it is not a claim to match"
    if claim in PERSONAL:
        return "claim_personal", f"`{claim}` is about a person: it would be shown and kept, and people change jobs"
    if provider.claims and claim != "sub" and claim not in provider.claims:
        return "claim_unknown", f"{provider.name} puts no `{claim}` into its tokens that is known here"
    return None


def shown(provider: Provider, matched: tuple[str, ...], claims: dict[str, Any]) -> dict[str, Any]:
    """The claims of a token that may be shown and kept: the provider's list, and what the trust itself matches.

    Only scalars, and of a string at most its first 512 characters.
    """
    allowed = provider.claims | set(matched)
    return {
        name: value[:_SHOWN] if isinstance(value, str) else value
        for name, value in sorted(claims.items())
        if name in allowed and name not in PERSONAL and isinstance(value, str | int | bool)
    }


def run_of(provider: Provider, claims: dict[str, Any]) -> dict[str, str]:
    """`run_id`, `attempt` and `job_id` of the CI run, as far as the token names them; ids are digits everywhere."""
    named = zip(("run_id", "attempt", "job_id"), provider.run, strict=True)
    found = ((name, claims.get(claim)) for name, claim in named if claim)
    return {name: str(value) for name, value in found if _number(value)}


def instance_of(provider: Provider, issuer: str, claims: dict[str, Any]) -> str:
    """The running copy that a verified token stands for: its CI job, so that jobs of one run never share an instance.

    Jobs of a matrix have run, attempt and workflow in common. Where a token does not name its job (GitHub Enterprise
    Server has no `check_run_id` yet), the token's own `jti` tells copies apart: rather two for one than one for two.
    """
    where = provider.name if issuer in _PUBLIC else f"{provider.name}-{_mark(issuer, 8)}"
    run = run_of(provider, claims)
    if provider is GITLAB and "job_id" in run:
        return f"verified.{where}.{run['job_id']}"
    if provider is GITHUB and "run_id" in run and "attempt" in run:
        job = run.get("job_id") or f"jti-{_mark(str(claims['jti']), 16)}"
        return f"verified.{where}.{run['run_id']}.{run['attempt']}.{job}"
    return f"verified.{where}.jti-{_mark(str(claims['jti']), 16)}"


def _mark(text: str, length: int) -> str:
    return sha256(text.encode()).hexdigest()[:length]


def _number(value: Any) -> bool:
    if type(value) is int:
        return 0 <= value < 10**20
    return isinstance(value, str) and 1 <= len(value) <= 20 and value.isascii() and value.isdigit()
