"""What everybody may read: keys, SPIFFE bundle, status lists and metadata, as they stand in the published folder."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from nhictl.core import strict_json
from nhictl.core.token import publish
from nhictl.enforce.serve import http
from nhictl.enforce.serve.oauth import GRANT
from nhictl.enforce.serve.service import Service
from nhictl.ops import callers, serve_public

_STATUS: Final = "/status/{number:int}.jwt"
_AGGREGATION: Final = "/status/aggregation.json"
_JSON: Final = "application/json"


class Public:
    """The folder's files; none without a folder, and metadata only where we are the issuer's own address."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def endpoints(self) -> dict[str, Callable[[Request], Awaitable[Response]]]:
        """What is served, by path."""
        place = self._service.place
        if place.folder is None:
            return {}
        found = {
            f"/{publish.KEY_SET}": self._file(publish.KEY_SET, "application/jwk-set+json", publish.REFRESH_HINT_S),
            f"/{publish.BUNDLE}": self._file(publish.BUNDLE, _JSON, publish.REFRESH_HINT_S),
        }
        if place.issuer.startswith("https://"):
            found[_STATUS] = self._list
            found[_AGGREGATION] = self._file("status/aggregation.json", _JSON, 30)
            if place.base == place.issuer:
                found[f"/{publish.OPENID}"] = self._file(publish.OPENID, _JSON, publish.REFRESH_HINT_S)
                found[f"/{publish.OAUTH}"] = self._metadata
        return found

    def _file(self, path: str, kind: str, age_s: int) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(_: Request) -> Response:
            return _whole(await self._read(path), kind, age_s)

        return endpoint

    async def _list(self, request: Request) -> Response:
        """A token status list (draft-ietf-oauth-status-list §8.1), by the number in its address."""
        path = f"status/{int(request.path_params['number'])}.jwt"
        return _whole(await self._read(path), "application/statuslist+jwt", 30)

    async def _metadata(self, _: Request) -> Response:
        """Authorization server metadata (RFC 8414): the published, and the endpoints that are served beside it."""
        data = await self._read(publish.OAUTH)
        found: dict[str, Any] = strict_json.loads(data) if data is not None else {"issuer": self._service.place.issuer}
        base = self._service.place.base or ""
        found |= {
            "token_endpoint": base + "/token",
            "grant_types_supported": [GRANT],
            "token_endpoint_auth_methods_supported": ["none"],
            "introspection_endpoint": base + "/introspect",
            "introspection_endpoint_auth_methods_supported": ["Bearer"],
        }
        return http.answer(found, headers={"cache-control": f"max-age={publish.REFRESH_HINT_S}"})

    async def _read(self, path: str) -> bytes | None:
        folder = self._service.place.folder or ""
        return await self._service.readers.do(callers.STRANGER, lambda _: serve_public.read(folder, path))


def _whole(data: bytes | None, kind: str, age_s: int) -> Response:
    if data is None:
        return http.failure(404, "no_such_path", "there is nothing here")
    return Response(data, headers={"cache-control": f"max-age={age_s}"}, media_type=kind)
