"""`POST /token` (RFC 8693): a CI job's own token for a task and its token, or a task token for a narrower one of another agent.

The proof is the token that is shown; nobody else is asked. Beyond the standard's parameters, for a job: `intent` (required),
`purpose`, `trust` where several trust the token's issuer, `ttl`, `deadline`; for a delegation: `to` (the agent, required),
`ttl`, `instance`. `scope` holds boxes, as `--allow` takes them, separated by spaces. A delegated token is bound to the key
that its agent is registered with, so that agent shows itself when it uses it, and no `actor_token` is taken. A token that
its client did not wait for is revoked.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from nhictl.enforce.serve import http
from nhictl.enforce.serve.service import Service
from nhictl.errors import ConflictError, InputError, NotFoundError
from nhictl.ops import serve_exchange
from nhictl.ops.serve_exchange import Asked, Refused

GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_TYPE: Final = "urn:ietf:params:oauth:token-type:"
_JOB: Final = (_TYPE + "jwt", _TYPE + "id_token")
_TASK: Final = _TYPE + "access_token"
_ISSUED: Final = (_TYPE + "access_token", _TYPE + "jwt")
_UNSUPPORTED: Final = ("actor_token", "actor_token_type", "resource", "client_assertion", "authorization_details")

_ERRORS: Final = {
    "audience_not_listed": "invalid_target", "audience_widened": "invalid_target",
    "scope_exceeds_trust": "invalid_scope", "scope_widened": "invalid_scope", "scope_undecided": "invalid_scope",
}  # fmt: skip


class Token:
    """The token endpoint."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def answer(self, request: Request) -> Response:
        """One exchange."""
        caller, held = http.who(self._service, request)
        try:
            asked = _asked(await http.form_of(request), http.proof_of(request))
            if held is not None:
                raise InputError("the proof goes into `subject_token`", code="invalid_request")
        except InputError as e:
            return http.oauth_error(e.code if e.code == "unsupported_grant_type" else "invalid_request", e.message)
        delivery = serve_exchange.Delivery(asked)
        try:
            made = await self._service.writer.do(caller, delivery)
        except BaseException as e:
            delivery.abandon()
            if isinstance(e, InputError | NotFoundError):
                return http.oauth_error("invalid_request", e.message, more={"reason": e.code})
            if isinstance(e, ConflictError) and e.code not in http.BUSY:
                return http.oauth_error("invalid_grant", e.message, more={"reason": e.code})
            raise
        if isinstance(made, Refused):
            why = f"{made.reason}: {made.message}" if made.message else made.reason
            more = {"reason": made.reason, "step": made.step, "recorded": made.recorded}
            return http.oauth_error(_ERRORS.get(made.reason, "invalid_grant"), why, more=more)
        if await request.is_disconnected():
            await self._service.writer.do(caller, delivery.revoke)
        return http.answer(made, headers={"pragma": "no-cache"})


def _asked(form: dict[str, str], proof: bytes | None) -> Asked:
    """The parameters; InputError names the one that is wrong. Unknown ones are ignored (RFC 6749 §3.2)."""
    if form.get("grant_type") != GRANT:
        raise InputError(
            "`grant_type` is not " + GRANT, code="unsupported_grant_type" if "grant_type" in form else None
        )
    for name in _UNSUPPORTED:
        if name in form:
            raise InputError(f"`{name}` is not taken here")
    delegates = form.get("subject_token_type") == _TASK
    needed = ("to", "scope") if delegates else ("audience", "intent")
    for name in ("subject_token", "subject_token_type", *needed):
        if name not in form:
            raise InputError(f"`{name}` is missing")
    if not delegates and form["subject_token_type"] not in _JOB:
        raise InputError("`subject_token_type` is not one of " + " ".join((*_JOB, _TASK)))
    if form.get("requested_token_type", _ISSUED[0]) not in _ISSUED:
        raise InputError("`requested_token_type` is not one of " + " ".join(_ISSUED))
    return Asked(
        form["subject_token"].encode("utf-8", "replace"), form.get("audience"), form.get("intent", ""), form.get("purpose"),
        form.get("trust"), tuple(form.get("scope", "").split()), form.get("ttl"), form.get("deadline"),
        form.get("to") if delegates else None, form.get("instance"), proof,
    )  # fmt: skip
