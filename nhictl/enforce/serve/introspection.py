"""`POST /introspect` (RFC 7662)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from nhictl.enforce.serve import http
from nhictl.enforce.serve.service import Service
from nhictl.errors import InputError, RefusedError
from nhictl.ops import callers
from nhictl.ops.introspect import introspect


class Introspection:
    """What a token says, for those who may ask. Its errors are OAuth's (RFC 6749 §5.2)."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def answer(self, request: Request) -> Response:
        """`token`, and a `token_type_hint` that is not needed."""
        caller, _ = http.who(self._service, request)
        if caller is callers.STRANGER:
            raise http.unauthorized()
        try:
            token = (await http.form_of(request)).get("token")
        except InputError as e:
            return http.oauth_error("invalid_request", e.message)
        if token is None:
            return http.oauth_error("invalid_request", "`token` is missing")
        data = token.encode("utf-8", "replace")
        try:
            return http.answer(await self._service.readers.do(caller, lambda house: introspect(house, caller, data)))
        except RefusedError as e:
            return http.oauth_error("access_denied", e.message, status=403)
