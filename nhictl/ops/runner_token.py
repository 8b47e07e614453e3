"""The job's own token from the CI system it runs in, by the request variables that GitHub's runner puts there.

The request goes out by https with a bearer token that is as good as the job itself: it is sent nowhere else, follows no
redirect, and appears in no message. Plain http is for a loopback address alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from nhictl.core import strict_json
from nhictl.errors import InputError, UnavailableError

if TYPE_CHECKING:
    from urllib.request import OpenerDirector, Request

URL: Final = "ACTIONS_ID_TOKEN_REQUEST_URL"
BEARER: Final = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
TIMEOUT_S: Final = 10
MAX_ANSWER: Final = 65536
_PAUSES_S: Final = (0.3, 1.0)
"""Between tries, after an answer that says to try again."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def offered(env: Mapping[str, str] | None = None) -> bool:
    """Whether the runner offers a token."""
    env = os.environ if env is None else env
    return bool(env.get(URL)) and bool(env.get(BEARER))


def missing(env: Mapping[str, str] | None = None) -> InputError | None:
    """In a CI job that was given no token: the error that says how the job gets one."""
    env = os.environ if env is None else env
    if env.get("GITHUB_ACTIONS") == "true":
        hint = "give the job `permissions: {id-token: write}`, or --subject-token-file"
    elif env.get("GITLAB_CI") == "true":
        hint = "name the variable of the job's `id_tokens` with --subject-token-env"
    else:
        return None
    return InputError("the runner offers this job no token of its own", code="no_subject_token", hint=hint)


def fetch(audience: str, env: Mapping[str, str] | None = None) -> bytes:
    """A fresh token for `audience`; UnavailableError (7) if the runner does not give one."""
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError

    env = os.environ if env is None else env
    request, opener = _request(env[URL], env[BEARER], audience)
    for pause in (*_PAUSES_S, None):
        try:
            with opener.open(request, timeout=TIMEOUT_S) as answer:
                return _token(answer.read(MAX_ANSWER + 1))
        except HTTPError as e:
            e.close()
            why = f"it answered {e.code}"
            if e.code < 500 or pause is None:
                raise _unavailable(why) from e
        except (URLError, HTTPException, OSError) as e:
            why = str(getattr(e, "reason", None) or e or type(e).__name__)[:200].lower()
            if pause is None:
                raise _unavailable(why) from e
        time.sleep(pause)
    raise _unavailable("it does not answer")


def _request(url: str, bearer: str, audience: str) -> tuple[Request, OpenerDirector]:
    from urllib.parse import quote, urlsplit
    from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

    class Stay(HTTPRedirectHandler):
        def redirect_request(self, *_: object, **__: object) -> None:
            return None

    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as e:
        raise InputError(f"${URL} is no URL", code="no_subject_token") from e
    local = host in _LOOPBACK
    if not host or parts.username is not None or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        raise InputError(f"${URL} is no https URL", code="no_subject_token")
    if not (bearer.isascii() and bearer.isprintable()):
        raise InputError(f"${BEARER} is no bearer token", code="no_subject_token")
    whole = f"{url}{'&' if parts.query else '?'}audience={quote(audience, safe='')}"
    headers = {"Authorization": f"Bearer {bearer}", "Accept": "application/json", "User-Agent": "nhictl"}
    return Request(whole, headers=headers), build_opener(Stay, *((ProxyHandler({}),) if local else ()))  # noqa: S310


def _token(data: bytes) -> bytes:
    if len(data) > MAX_ANSWER:
        raise _unavailable(f"its answer is over {MAX_ANSWER} bytes")
    try:
        value = strict_json.loads(data)
    except strict_json.StrictJSONError as e:
        raise _unavailable("its answer is not JSON") from e
    token = value.get("value") if isinstance(value, dict) else None
    if not isinstance(token, str) or not token or not token.isascii():
        raise _unavailable("its answer holds no token")
    return token.encode()


def _unavailable(why: str) -> UnavailableError:
    return UnavailableError(f"the runner gives no token: {why}", code="subject_token_unavailable")
