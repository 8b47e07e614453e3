"""The MCP server behind the guard, over streamable HTTP (MCP "Transports"), by the standard library's client.

It follows no redirect, uses no proxy of the environment, takes no compressed answer and keeps no cookie: what is asked is
asked of the one address that was named. Plain `http` is for this machine alone.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from nhictl.enforce.mcp.message import MAX_LINE
from nhictl.errors import InputError, UnavailableError

CONNECT_S: Final = 10.0
ANSWER_S: Final = 3600.0
"""Seconds until a call is given up: tools may take long."""
LOOPBACK: Final = frozenset(("127.0.0.1", "::1", "localhost"))
_BLOCK: Final = 1 << 16


class NotSentError(UnavailableError):
    """The server was not reached, so that it knows nothing of the request."""

    code = "server_unreachable"


class LostError(UnavailableError):
    """The server was told, and what became of it is not known."""

    code = "server_lost"


class Reply:
    """One answer, to be left by `with`; `status` and `header` are known at once, its content comes."""

    def __init__(
        self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse, link: socket.socket
    ) -> None:
        self._connection = connection
        self._response = response
        self._socket = link  # the connection forgets it where the server says that it will close
        self.status = response.status
        self.kind = (response.headers.get_content_type() or "").lower() if response.headers.get("content-type") else ""
        if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
            self.close()
            raise LostError("the server compressed its answer, though it was asked not to")

    def header(self, name: str) -> str | None:
        """A header's value; None if it is not there, or more than once."""
        found = self._response.headers.get_all(name, [])
        return str(found[0]) if len(found) == 1 else None

    def read(self, limit: int = MAX_LINE) -> bytes:
        """The whole content; LostError if it is cut short or over `limit` bytes."""
        data = b"".join(self.blocks(limit))
        if self._response.length:
            raise LostError("the server's answer was cut short")
        return data

    def blocks(self, limit: int | None = None) -> Iterator[bytes]:
        """The content as it comes; LostError where it breaks off."""
        size = 0
        while True:
            try:
                data = self._response.read1(_BLOCK)
            except (OSError, http.client.HTTPException, ValueError, AttributeError) as e:
                raise LostError(f"the server's answer broke off: {e}") from e
            if not data:
                return
            size += len(data)
            if limit is not None and size > limit:
                raise LostError(f"the server's answer is over {limit >> 20} MiB")
            yield data

    def patient(self) -> None:
        """Wait for ever, as for a stream that only speaks when something happens."""
        self._socket.settimeout(None)

    def cut(self) -> None:
        """End it from another thread: whoever reads finds the end."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection."""
        self._response.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()


class Upstream:
    """Where the server is, and with which `Authorization` it is asked, read for each request anew."""

    def __init__(self, url: str, authorization: Callable[[], str | None]) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as e:
            raise InputError(f"no address of a server: {e}", code="usage") from e
        plain = url.isascii() and url.isprintable() and " " not in url
        if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or parts.fragment or not plain:
            raise InputError("the server's address is http(s)://HOST[:PORT]/PATH", code="usage")
        if parts.scheme == "http" and host not in LOOPBACK:
            raise InputError("plain http is for servers on this machine: use https", code="usage")
        self._secure = parts.scheme == "https"
        self._host, self._port = host, port
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._authorization = authorization

    def send(self, method: str, headers: Mapping[str, str], body: bytes | None, answer_s: float = ANSWER_S) -> Reply:
        """Ask, and return the beginning of the answer; NotSentError, or LostError once the server may have been told."""
        wanted = {**headers, "Accept-Encoding": "identity", "User-Agent": "nhictl"}
        if (authorization := self._authorization()) is not None:
            wanted["Authorization"] = authorization
        connection = self._connection()
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as e:
            connection.close()
            raise NotSentError(f"the server cannot be reached: {e}") from e
        try:
            link = connection.sock
            link.settimeout(answer_s)
            connection.request(method, self._target, body, wanted)
            return Reply(connection, connection.getresponse(), link)
        except (OSError, http.client.HTTPException, ValueError) as e:
            connection.close()
            raise LostError(f"the server did not answer: {type(e).__name__}") from e

    def _connection(self) -> http.client.HTTPConnection:
        if not self._secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=CONNECT_S)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(self._host, self._port, timeout=CONNECT_S, context=context)
