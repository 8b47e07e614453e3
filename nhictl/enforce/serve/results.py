"""`POST /results`: what came of a call that an evaluation allowed, by the number of its record."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from nhictl.enforce.serve import http
from nhictl.enforce.serve.service import Service
from nhictl.ops import call_result, callers


class Results:
    """The results endpoint."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def answer(self, request: Request) -> Response:
        """One result; `repeated` where the same was told before."""
        caller, held = http.who(self._service, request)
        told = call_result.read(await http.json_of(request))
        if caller is callers.STRANGER and held is None:
            raise http.unauthorized()
        made, head = await self._service.writer.act(caller, call_result.telling(told, caller, held))
        return http.answer({"schema": "nhictl.result/v1", **made, "log": head.to_json()})
