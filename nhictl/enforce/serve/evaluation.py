"""AuthZEN: `POST /access/v1/evaluation`, `POST /access/v1/evaluations`, and where they are."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from nhictl.enforce.serve import http
from nhictl.enforce.serve.service import Service
from nhictl.errors import InputError
from nhictl.ops import callers, evaluate

ONE = "/access/v1/evaluation"
SEVERAL = "/access/v1/evaluations"
CONFIGURATION = "/.well-known/authzen-configuration"


class Evaluation:
    """The decision endpoints, all of them live."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def one(self, request: Request) -> Response:
        """Access Evaluation (§6)."""
        return await self._answer(request, single=True)

    async def several(self, request: Request) -> Response:
        """Access Evaluations (§7); without `evaluations` it is a single one (§7.1)."""
        return await self._answer(request, single=False)

    async def _answer(self, request: Request, *, single: bool) -> Response:
        caller, held = http.who(self._service, request)
        if caller is callers.STRANGER and held is None:
            raise http.unauthorized()
        value = await http.json_of(request)
        if single and isinstance(value, dict) and "evaluations" in value:
            raise InputError("several evaluations are asked for at " + SEVERAL, code="invalid_request_line")
        act = evaluate.evaluating(evaluate.read(value), caller, held)
        made, _ = await self._service.writer.act(caller, act)
        for each in made.get("evaluations", (made,)):
            self._service.figures.decision(each["decision"], each["context"].get("reason", "invalid_request"))
        return http.answer(made)

    async def configuration(self, _: Request) -> Response:
        """What there is of a policy decision point here (§9)."""
        base = self._service.place.base or ""
        return http.answer(
            {
                "policy_decision_point": base,
                "access_evaluation_endpoint": base + ONE,
                "access_evaluations_endpoint": base + SEVERAL,
            },
            headers={"cache-control": "max-age=300"},
        )
