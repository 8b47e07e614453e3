"""The OpenAPI 3.1 document of what is served: only paths that have a route here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from nhictl import __version__

_OBJECT: Final[dict[str, Any]] = {"type": "object"}
_TEXT: Final[dict[str, Any]] = {"type": "string"}
_TOOL: Final = {**_TEXT, "description": "the tool", "pattern": "^[ -~]{1,256}$"}


def _closed(required: list[str], more: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": dict(more)}


_EVALUATION: Final = _closed(
    ["subject", "action", "resource"],
    {
        "subject": _closed(
            ["type", "id"],
            {
                "type": _TEXT,
                "id": {**_TEXT, "description": "the agent: its name, SPIFFE ID or an alias"},
                "properties": {
                    **_OBJECT,
                    "description": "`token`, a task token that the agent holds, and the `audience` that asks; for a bound one "
                    "`dpop_proof`, `htm` and `htu`; `call`, the id of the call that whoever asks makes if it is allowed, "
                    "which is then recorded as that call. Other properties are not read.",
                },
            },
        ),
        "action": _closed(["name"], {"name": _TOOL, "properties": _OBJECT}),
        "resource": _closed(["type", "id"], {"type": _TEXT, "id": _TEXT, "properties": _OBJECT}),
        "context": _OBJECT,
    },
)
_ANSWER: Final = _closed(["decision"], {"decision": {"type": "boolean"}, "context": _OBJECT})
_SEVERAL: Final = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("subject", "action", "resource", "context"), _OBJECT),
        "evaluations": {"type": "array", "items": _OBJECT},
        "options": _OBJECT,
    },
}
_ANSWERS: Final = {
    "anyOf": [_ANSWER, _closed(["evaluations"], {"evaluations": {"type": "array", "items": _ANSWER}})],
}
_ERROR: Final = _closed(["schema", "error"], {"schema": _TEXT, "error": _closed(["code", "message"], {})})
_OAUTH_ERROR: Final = _closed(["error"], {"error": _TEXT, "error_description": _TEXT})
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_EITHER: Final = {"anyOf": [_OAUTH_ERROR, _ERROR]}


def _posted(summary: str, kind: str, body: Any, good: Any, wrong: Any) -> dict[str, Any]:
    refused = {"description": "refused", "content": {_JSON: {"schema": wrong}}}
    statuses = ("400", "401", "403", "404", "409", "413", "415", "503")
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": {kind: {"schema": body}}},
        "responses": {
            "200": {"description": "answered", "content": {_JSON: {"schema": good}}},
            **dict.fromkeys(statuses, refused),
        },
    }


def _read(summary: str, kind: str = _JSON) -> dict[str, Any]:
    refused = {"description": "not now, or not for everybody", "content": {_JSON: {"schema": _ERROR}}}
    return {
        "summary": summary,
        "responses": {
            "200": {"description": "answered", "content": {kind: {}}},
            **dict.fromkeys(("401", "403", "404", "503"), refused),
        },
    }


_COUNT: Final[dict[str, Any]] = {"type": "integer", "minimum": 0}
_RESULT: Final = _closed(
    ["record", "outcome"],
    {
        "record": {**_COUNT, "description": "`context.record` of the evaluation that allowed the call"},
        "outcome": {"enum": ["ok", "error", "unknown"]},
        "result": {"description": "any JSON; sealed, with secrets masked"},
        "error": {**_TEXT, "description": "of which the first 200 characters are kept"},
        "bytes_out": {**_COUNT, "description": "the bytes that left with the call"},
        "made": {"type": "boolean", "description": "false gives back what limits took for the call; for listed callers"},
        "token": {**_TEXT, "description": "the token that the call was allowed to, unless the caller is known or came with it"},
    },
)  # fmt: skip
_RESULT_ANSWER: Final = _closed(
    ["schema", "record", "called", "repeated", "log"],
    {"schema": _TEXT, "record": _COUNT, "called": _COUNT, "repeated": {"type": "boolean"}, "log": _OBJECT},
)
_TOKEN_FORM: Final = _closed(
    ["grant_type", "subject_token", "subject_token_type"],
    dict.fromkeys(
        ("grant_type", "subject_token", "subject_token_type", "requested_token_type", "audience", "scope", "intent",
         "purpose", "trust", "ttl", "deadline", "to", "instance"), _TEXT,
    ),
)  # fmt: skip

OPERATIONS: Final[dict[str, dict[str, Any]]] = {
    "/access/v1/evaluation": _posted("AuthZEN access evaluation; live", _JSON, _EVALUATION, _ANSWER, _ERROR),
    "/access/v1/evaluations": _posted("AuthZEN access evaluations; live", _JSON, _SEVERAL, _ANSWERS, _ERROR),
    "/introspect": _posted(
        "token introspection (RFC 7662); writes nothing", _FORM, _closed(["token"], {"token": _TEXT}),
        _closed(["active"], {"active": {"type": "boolean"}}), _EITHER,
    ),
    "/token": _posted(
        "token exchange (RFC 8693); live", _FORM, _TOKEN_FORM,
        _closed(["access_token", "issued_token_type", "token_type", "expires_in"], {"access_token": _TEXT}), _EITHER,
    ),
    "/results": _posted("what came of a call that was allowed; told once", _JSON, _RESULT, _RESULT_ANSWER, _ERROR),
    "/health/live": _read("the process answers"),
    "/health/ready": _read("a decision could be made and recorded"),
    "/metrics": _read("figures for Prometheus", "text/plain"),
    "/.well-known/authzen-configuration": _read("where the evaluations are"),
    "/.well-known/oauth-authorization-server": _read("authorization server metadata (RFC 8414)"),
    "/.well-known/openid-configuration": _read("OpenID Connect discovery, for workload federation"),
    "/jwks.json": _read("the keys that sign tokens (RFC 7517)", "application/jwk-set+json"),
    "/spiffe-bundle.json": _read("the SPIFFE trust bundle"),
    "/status/aggregation.json": _read("the status lists there are"),
    "/status/{number}.jwt": _read("a token status list", "application/statuslist+jwt"),
}  # fmt: skip
_NUMBER: Final = {"name": "number", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}}


def document(served: Mapping[str, tuple[str, object]]) -> dict[str, Any]:
    """The document for these paths, each with its method."""
    paths: dict[str, Any] = {}
    for path, (method, _) in served.items():
        plain = path.replace(":int", "")
        operation = dict(OPERATIONS[plain])
        if plain != path:
            operation["parameters"] = [_NUMBER]
        paths[plain] = {method.lower(): operation}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "nhictl",
            "version": __version__,
            "description": "Decisions, tokens and keys of one authority.",
        },
        "paths": paths,
        "components": {"securitySchemes": {"caller": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"caller": []}],
    }
