"""`POST /token`: a CI job's own token for a task and its token, by RFC 8693. The proof is the token; nobody else is asked.

Beyond the standard's parameters: `intent` (required) and `purpose`, `trust` where several trust the token's issuer, `ttl`
and `deadline`. `scope` holds boxes, as `--allow` takes them, separated by spaces. A token that its client did not wait for
is revoked.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from nhictl.enforce.serve import http
from nhictl.enforce.serve.service import Service
from nhictl.errors import ConflictError, InputError, NotFoundError
from nhictl.ops import serve_exchange
from nhictl.ops.callers import Caller
from nhictl.ops.exchange_token import Refused
from nhictl.ops.serve_exchange import Asked

GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_TYPE: Final = "urn:ietf:params:oauth:token-type:"
_SUBJECTS: Final = (_TYPE + "jwt", _TYPE + "id_token")
_ISSUED: Final = (_TYPE + "access_token", _TYPE + "jwt")
_UNSUPPORTED: Final = ("actor_token", "actor_token_type", "resource", "client_assertion", "authorization_details")


class Token:
    """The token endpoint."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def answer(self, request: Request) -> Response:
        """One exchange."""
        caller, held = http.who(self._service, request)
        try:
            asked = _asked(await http.form_of(request))
            if held is not None:
                raise InputError("the proof goes into `subject_token`", code="invalid_request")
        except InputError as e:
            return http.oauth_error(e.code if e.code == "unsupported_grant_type" else "invalid_request", e.message)
        exchanging = serve_exchange.Exchanging(asked)
        try:
            made = await self._service.writer.do(caller, exchanging)
        except BaseException as e:
            exchanging.abandon()
            if isinstance(e, InputError | NotFoundError):
                return http.oauth_error("invalid_request", e.message, more={"reason": e.code})
            if isinstance(e, ConflictError) and e.code not in ("lock_timeout", "custody_changed"):
                return http.oauth_error("invalid_grant", e.message, more={"reason": e.code})
            raise
        if isinstance(made, Refused):
            code = "invalid_target" if made.reason == "audience_not_listed" else "invalid_grant"
            code = "invalid_scope" if made.reason.startswith("scope_") else code
            why = f"{made.reason}: {made.message}" if made.message else made.reason
            return http.oauth_error(
                code, why, more={"reason": made.reason, "step": made.step, "recorded": made.recorded}
            )
        if await request.is_disconnected():
            await self._take_back(caller, exchanging)
        return http.answer(made, headers={"pragma": "no-cache"})

    async def _take_back(self, caller: Caller, exchanging: serve_exchange.Exchanging) -> None:
        await self._service.writer.do(caller, exchanging.revoke)


def _asked(form: dict[str, str]) -> Asked:
    """The parameters; InputError names the one that is wrong. Unknown ones are ignored (RFC 6749 §3.2)."""
    if form.get("grant_type") != GRANT:
        raise InputError(
            "`grant_type` is not " + GRANT, code="unsupported_grant_type" if "grant_type" in form else None
        )
    for name in _UNSUPPORTED:
        if name in form:
            raise InputError(f"`{name}` is not taken here")
    for name in ("subject_token", "subject_token_type", "audience", "intent"):
        if name not in form:
            raise InputError(f"`{name}` is missing")
    if form["subject_token_type"] not in _SUBJECTS:
        raise InputError("`subject_token_type` is not one of " + " ".join(_SUBJECTS))
    if form.get("requested_token_type", _ISSUED[0]) not in _ISSUED:
        raise InputError("`requested_token_type` is not one of " + " ".join(_ISSUED))
    return Asked(
        form["subject_token"].encode("utf-8", "replace"), form["audience"], form["intent"], form.get("purpose"),
        form.get("trust"), tuple(form.get("scope", "").split()), form.get("ttl"), form.get("deadline"),
    )  # fmt: skip
