"""`GET /health/live`, `GET /health/ready`, `GET /metrics`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from nhictl.core.caller_file import METRICS
from nhictl.enforce.serve import figures, http
from nhictl.enforce.serve.service import Service
from nhictl.ops import callers, serve_health


class Health:
    """Whether we are there, whether we could decide, and what was done so far."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def live(self, _: Request) -> Response:
        """The process answers; nothing else is looked at."""
        return http.answer({"schema": "nhictl.health/v1", "status": "live"})

    async def ready(self, _: Request) -> Response:
        """A decision could be made and recorded now; 503 with the code of what is in the way."""
        await self._service.readers.do(callers.STRANGER, serve_health.look)
        return http.answer({"schema": "nhictl.health/v1", "status": "ready"})

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text format, for those who may."""
        caller, _ = http.who(self._service, request)
        if caller is callers.STRANGER:
            raise http.unauthorized()
        caller.require(METRICS)
        found = await self._service.readers.do(caller, serve_health.look)
        now = {
            "nhictl_log_records": ("Records in the log.", float(found.size)),
            "nhictl_waiting": ("Requests that wait for the thread that writes.", float(self._service.writer.waiting)),
        }
        text = self._service.figures.text(now)
        return Response(text, headers={**http.NO_STORE, "content-type": figures.CONTENT_TYPE})
