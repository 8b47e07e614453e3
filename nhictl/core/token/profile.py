"""The token profiles: their headers, their claims, and how scope boxes stand in them (RFC 9396).

`at+jwt` (RFC 9068) is the per-task token and the default. `jwt-svid` (SPIFFE) says who the holder is and nothing about
what it may do; it is issued for a task all the same, and ends with it. No token is of both: their `typ` excludes it.
`generic` is somebody else's token (RFC 7519), which is verified and never issued.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from nhictl.errors import InputError

AT_JWT: Final = "at+jwt"
JWT_SVID: Final = "jwt-svid"
GENERIC: Final = "generic"
TYPS: Final[dict[str, tuple[str | None, ...]]] = {
    AT_JWT: ("at+jwt",),
    JWT_SVID: ("jwt", "jose", None),
    GENERIC: ("jwt", "at+jwt", "jose", None),
}
"""What `typ` may be, by profile, in lower case; None: it may be missing (JWT-SVID §2, RFC 7519 §5.1).

A foreign token need not say a `typ`, but one that says it is something else (a logout or status list token, a DPoP proof)
is not taken for an access token (RFC 8725 §3.11, §3.12).
"""
DETAIL: Final = "nhictl_resource_access"
DEFAULT_TTL_S: Final = 300
MAX_TTL_S: Final = {AT_JWT: 3600, JWT_SVID: 300, GENERIC: 3600}
"""The longest life of a bearer token, by profile."""
MAX_BOUND_TTL_S: Final = 14400
"""The longest life of a token that is bound to a key."""


class Grant(NamedTuple):
    """What goes into a token. Times in seconds; `scope` is the task's boxes in mapping form; `head` the log head before it.

    `delegation` is what every entry says of being handed on; `cnf` the key it is bound to; `act` and `parent` are of a
    delegated token: its chain of actors, and the jti it was made from. `agent` is who holds it.
    """

    issuer: str
    subject: str
    agent: str
    audience: str
    issued: int
    expires: int
    jti: str
    task: str
    instance: str
    scope: list[dict[str, Any]]
    policy: str | None
    principal: str | None
    head: dict[str, Any]
    delegation: dict[str, Any] | None = None
    cnf: dict[str, str] | None = None
    act: dict[str, Any] | None = None
    parent: str | None = None
    uses: int | None = None
    status: dict[str, Any] | None = None


def known(kind: str) -> str:
    """The profile, one of our own; InputError (2) for others."""
    if kind == GENERIC:
        raise InputError(
            "profile generic is for tokens of other issuers", code="usage",
            hint="nhictl token verify --profile generic --offline --jwks FILE --issuer ISS",
        )  # fmt: skip
    if kind not in TYPS:
        raise InputError(
            f"no token profile `{kind}` in this version", code="usage", hint=f"one of {', '.join(TYPS)}"
        )  # fmt: skip
    return kind


def header(kid: str, kind: str = AT_JWT) -> dict[str, str]:
    """Exactly `alg`, `typ`, `kid`."""
    return {"alg": "ES256", "typ": "JWT" if kind == JWT_SVID else AT_JWT, "kid": kid}


def details(scope: list[dict[str, Any]], delegation: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Boxes as `authorization_details`: tools are actions, conditions are constraints; how each may be handed on."""
    found = []
    for box in scope:
        entry: dict[str, Any] = {"type": DETAIL, "actions": box["tools"]}
        if box.get("resource") is not None:
            entry["resource"] = box["resource"]
        if box.get("when"):
            entry["constraints"] = box["when"]
        if delegation is not None:
            entry["delegation"] = delegation
        found.append(entry)
    return found


def boxes(entries: list[Any]) -> list[dict[str, Any]] | None:
    """`authorization_details` back as boxes in mapping form; None if one of them is not of our type or has more in it."""
    found = []
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("type") != DETAIL:
            return None
        if entry.keys() - {"type", "actions", "resource", "constraints", "delegation"}:
            return None
        box = {"tools": entry.get("actions"), "resource": entry.get("resource"), "when": entry.get("constraints")}
        found.append({key: value for key, value in box.items() if value is not None})
    return found


def claims(grant: Grant) -> dict[str, Any]:
    """The claims, in a fixed order. `scope` names the tools only: a projection, never broader than the details."""
    tools = dict.fromkeys(tool for box in grant.scope for tool in box["tools"])
    own: dict[str, Any] = {"inst": grant.instance}
    if grant.policy is not None:
        own["policy"] = grant.policy
    if grant.principal is not None:
        own["principal"] = grant.principal
    if grant.uses is not None:
        own["uses"] = grant.uses  # so that a verifier far away knows that it cannot decide
    own["log"] = grant.head
    more: dict[str, Any] = {}
    if grant.act is not None:
        more["act"] = grant.act
    if grant.cnf is not None:
        more["cnf"] = grant.cnf
    if grant.status is not None:
        more["status"] = grant.status
    if grant.parent is not None:
        own["parent_jti"] = grant.parent
    return {
        "iss": grant.issuer,
        "sub": grant.subject,
        "client_id": grant.agent,
        "aud": grant.audience,
        "iat": grant.issued,
        "nbf": grant.issued,
        "exp": grant.expires,
        "jti": grant.jti,
        "txn": grant.task,
        "sub_profile": "ai_agent",
        "scope": " ".join(tools),
        "authorization_details": details(grant.scope, grant.delegation),
        **more,
        "nhictl": own,
    }


def svid_claims(grant: Grant) -> dict[str, Any]:
    """The claims of a JWT-SVID: who, for whom, until when, under which jti. What it may do stands with the task."""
    return {
        "sub": grant.subject,
        "aud": grant.audience,
        "iat": grant.issued,
        "exp": grant.expires,
        "jti": grant.jti,
    }
