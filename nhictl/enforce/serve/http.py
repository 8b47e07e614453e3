"""Between HTTP and operations: bodies read within bounds, errors as answers, and who asks."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from nhictl.core import strict_json
from nhictl.enforce.serve.service import Service
from nhictl.errors import InputError, NhictlError
from nhictl.ops import callers
from nhictl.ops.callers import Caller
from nhictl.ops.evaluate import Shown

BODY_LIMIT: Final = 1 << 20
_STATUS: Final = {1: 403, 2: 400, 3: 503, 4: 404, 5: 409, 6: 503, 7: 503}
BUSY: Final = ("lock_timeout", "custody_changed")
NO_STORE: Final = {"cache-control": "no-store"}


class HttpError(Exception):
    """An answer that is no answer of ours: a status with its headers, a code and words for it."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON that nobody keeps, unless `headers` says so."""
    text = strict_json.dumps(body).encode()
    return Response(text, status, {**NO_STORE, **(headers or {})}, media_type="application/json")


def failure(
    status: int, code: str, message: str, hint: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """`nhictl.error/v1`."""
    said: dict[str, Any] = {"code": code, "message": message} | ({"hint": hint} if hint else {})
    return answer({"schema": "nhictl.error/v1", "error": said}, status, headers)


def status_of(error: NhictlError) -> int:
    """The HTTP status that says what an exit status of ours says."""
    return 503 if error.code in BUSY else _STATUS.get(error.exit, 500)


def failed(error: NhictlError) -> Response:
    """An error of ours. Of what is wrong in our own house nothing is told but that it is, by its code."""
    status = status_of(error)
    if status >= 500:
        retry = {"retry-after": "1"} if status == 503 else None
        return failure(
            status, error.code, "cannot be answered now" if status == 503 else "internal error", headers=retry
        )
    return failure(status, error.code, error.message, error.hint)


def oauth_error(code: str, why: str, *, status: int = 400, more: dict[str, Any] | None = None) -> Response:
    """An error of an OAuth endpoint (RFC 6749 §5.2), whose description is of printable ASCII without `"` and `\\`."""
    plain = "".join(c if " " <= c <= "~" and c not in '"\\' else "'" for c in why[:400])
    return answer({"error": code, "error_description": plain, **(more or {})}, status)


async def body_of(request: Request, limit: int = BODY_LIMIT) -> bytes:
    """The body; HttpError 413 as soon as it is over `limit` bytes, whatever its length was said to be."""
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and (len(said) > 9 or int(said) > limit):
        raise _too_large(limit)
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > limit:
            raise _too_large(limit)
    return bytes(found)


def _too_large(limit: int) -> HttpError:
    return HttpError(413, "too_large", f"a body of more than {limit} bytes", {"connection": "close"})


def media_type(request: Request) -> str:
    """The content type, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def json_of(request: Request) -> Any:
    """The JSON of the body; HttpError 415 for another type, InputError (2) for what is no strict JSON."""
    if media_type(request) != "application/json":
        raise HttpError(415, "unsupported_media_type", "the body has to be application/json")
    try:
        return strict_json.loads(await body_of(request))
    except strict_json.StrictJSONError as e:
        raise InputError(f"no JSON: {e}", code="invalid_json", line=e.line, column=e.column) from e


async def form_of(request: Request) -> dict[str, str]:
    """The parameters of a form, each at most once (RFC 6749 §3.2); InputError (2) for what is none."""
    from urllib.parse import parse_qsl

    if media_type(request) != "application/x-www-form-urlencoded":
        raise InputError("the body has to be application/x-www-form-urlencoded", code="invalid_request")
    try:
        text = (await body_of(request, 1 << 17)).decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=32)
    except ValueError as e:
        raise InputError("the body is no form of at most 32 parameters", code="invalid_request") from e
    if len({name for name, _ in pairs}) != len(pairs):
        raise InputError("a parameter is there twice", code="invalid_request")
    return {name: value for name, value in pairs if value}


def who(service: Service, request: Request) -> tuple[Caller, Shown | None]:
    """Whoever asks, and the token they came in with. HttpError 401 for credentials that are nobody's.

    Over TCP `Authorization` holds a caller's secret, or a token for `Place.audience`; a token is believed when it is judged,
    which whoever gets one has to do. On the socket the peer is known; a token may be shown beside.
    """
    peer = getattr(request.state, "peer", None)
    caller = service.callers.peer(*peer) if peer is not None else callers.STRANGER
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if not scheme:
        return caller, None
    secret = given.strip().encode("latin-1")
    if scheme.lower() not in ("bearer", "dpop") or not secret:
        raise unauthorized()
    if secret.count(b".") == 2 and service.place.audience is not None:
        shown = proof_of(request)
        address = (service.place.base or service.place.audience) + request.url.path
        proof = (shown, request.method, address) if shown is not None else None
        return caller, Shown(secret, service.place.audience, proof)
    found = service.callers.by_secret(secret)
    if found is None:
        raise unauthorized()
    return found._replace(uid=caller.uid, apart=caller.apart, via=caller.via), None


def proof_of(request: Request) -> bytes | None:
    """The DPoP proof that came along, if one did; HttpError 401 for more than one (RFC 9449 §4.3)."""
    found = request.headers.getlist("dpop")
    if len(found) > 1:
        raise unauthorized()
    return found[0].encode("latin-1") if found else None


def unauthorized() -> HttpError:
    """401 (RFC 6750 §3)."""
    return HttpError(401, "unauthorized", "whoever asks has to show who they are", {"www-authenticate": "Bearer"})


Dropped = ClientDisconnect
