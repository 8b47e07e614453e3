"""The routes, and the one boundary around them: every request gets an answer, a figure, and no traceback."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nhictl.enforce.serve import http, openapi
from nhictl.enforce.serve.evaluation import CONFIGURATION, ONE, SEVERAL, Evaluation
from nhictl.enforce.serve.health import Health
from nhictl.enforce.serve.introspection import Introspection
from nhictl.enforce.serve.oauth import Token
from nhictl.enforce.serve.public import Public
from nhictl.enforce.serve.results import Results
from nhictl.enforce.serve.service import Service
from nhictl.errors import NhictlError

Endpoint = Callable[[Request], Awaitable[Response]]
Note = Callable[[str], None]
_REQUEST_ID: Final = "x-request-id"
_ID_LIMIT: Final = 128


def build(service: Service, note: Note) -> Starlette:
    """The application: only what `service` can really serve has a route. `note` is told of bugs, for whoever operates it."""
    paths = routes(service)
    made = [
        Route(path, _bounded(service, note, path, endpoint), methods=[method], name=path)
        for path, (method, endpoint) in paths.items()
    ]
    document = openapi.document(paths)

    async def described(_: Request) -> Response:
        return http.answer(document, headers={"cache-control": "max-age=300"})

    made.append(Route("/openapi.json", _bounded(service, note, "/openapi.json", described), methods=["GET"]))
    app = Starlette(routes=made, exception_handlers={404: _none, 405: _none})
    app.router.redirect_slashes = False  # a redirect would be to wherever the request says we are
    return app


def routes(service: Service) -> dict[str, tuple[str, Endpoint]]:
    """Method and endpoint by path."""
    evaluation, health, public = Evaluation(service), Health(service), Public(service)
    found: dict[str, tuple[str, Endpoint]] = {
        ONE: ("POST", evaluation.one),
        SEVERAL: ("POST", evaluation.several),
        "/introspect": ("POST", Introspection(service).answer),
        "/token": ("POST", Token(service).answer),
        "/results": ("POST", Results(service).answer),
        "/health/live": ("GET", health.live),
        "/health/ready": ("GET", health.ready),
        "/metrics": ("GET", health.metrics),
    }
    if service.place.base is not None:
        found[CONFIGURATION] = ("GET", evaluation.configuration)
    for path, endpoint in public.endpoints().items():
        found[path] = ("GET", endpoint)
    return found


def _bounded(service: Service, note: Note, path: str, endpoint: Endpoint) -> Endpoint:
    async def bounded(request: Request) -> Response:
        began = time.perf_counter()
        made = await _made(note, endpoint, request)
        service.figures.request(path, made.status_code, time.perf_counter() - began)
        ident = request.headers.get(_REQUEST_ID, "")
        if ident and len(ident) <= _ID_LIMIT and ident.isascii() and ident.isprintable():
            made.headers[_REQUEST_ID] = ident  # AuthZEN §10.1.3
        made.headers["x-content-type-options"] = "nosniff"
        return made

    return bounded


async def _made(note: Note, endpoint: Endpoint, request: Request) -> Response:
    try:
        return await endpoint(request)
    except http.HttpError as e:
        return http.failure(e.status, e.code, e.message, headers=e.headers)
    except NhictlError as e:
        if http.status_of(e) >= 500:
            note(f"{e.code}: {e.message}")
        return http.failed(e)
    except http.Dropped:
        return Response(status_code=400)  # nobody is there to read it
    except Exception as e:  # noqa: BLE001  # the boundary: nothing of a bug is told but that there is one
        note(f"internal error: {type(e).__name__} in {_place(e)}")
        return http.failed(NhictlError("internal error"))


def _place(error: BaseException) -> str:
    """Where a bug is; neither its message nor values are told, which might hold a secret."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return f"{at.tb_frame.f_globals.get('__name__')}:{at.tb_lineno}" if at is not None else "?"


async def _none(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    word = ("no_such_path", "there is nothing here") if status == 404 else ("no_such_method", "not by this method")
    return http.failure(status, *word, headers=headers)
