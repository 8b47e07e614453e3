"""The guard over streamable HTTP (MCP "Transports"): a client here, the server at its address, each message judged between.

By the standard library alone: what is needed of HTTP is one path, three methods and a stream, a thread for each request
is enough for a client or two, and a guard that has nothing to install is there wherever it is needed.
"""

from __future__ import annotations

import contextlib
import http.server
import os
import socket
import threading
from collections.abc import Callable
from typing import Any, Final

from nhictl.enforce.mcp import gate, sse
from nhictl.enforce.mcp import message as rpc
from nhictl.enforce.mcp.channels import ACCEPT, RESUME, SESSION, VERSION, Channel, Channels, is_refusal_of_form
from nhictl.enforce.mcp.message import Id
from nhictl.enforce.mcp.peer import uid_of
from nhictl.enforce.mcp.stream import STREAM, Chunks, joined, passed, watch
from nhictl.enforce.mcp.upstream import LostError, NotSentError, Reply
from nhictl.errors import NhictlError

MAX_CONNECTIONS: Final = 128
_IDLE_S: Final = 60.0
_JSON: Final = "application/json"
_ERROR_LIMIT: Final = 1 << 20


class Gateway(http.server.ThreadingHTTPServer):
    """Listens on `address` of this machine; `port` says on which port. `serve_forever` is run until it is ended."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], channels: Channels) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.channels = channels
        self._room = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(address, _Handler)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self.server_address[1])

    def server_bind(self) -> None:
        """As usual, but without asking the network for our own name."""
        http.server.socketserver.TCPServer.server_bind(self)  # type: ignore[attr-defined]
        self.server_name, self.server_port = "localhost", self.port

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002
        """Take a connection of our own user only, and not more at a time than there is room for."""
        try:
            uid = uid_of(request)
        except OSError:
            return False  # it has gone already
        if uid != os.geteuid():
            self.channels.note("a connection of another user was refused")
            return False
        return self._room.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection, and make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A connection that broke is nothing to be said; anything else is, in a line."""
        import sys

        if not isinstance(error := sys.exc_info()[1], OSError):
            self.channels.note(f"a request ended by a fault of the guard: {type(error).__name__}")


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "nhictl", ""
    timeout = _IDLE_S
    disable_nagle_algorithm = True
    server: Gateway

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the library's name
        """Nothing: what matters is in the record."""

    def do_POST(self) -> None:
        self._serve(self._post)

    def do_GET(self) -> None:
        self._serve(self._get)

    def do_DELETE(self) -> None:
        self._serve(self._delete)

    def _serve(self, answer: Callable[[Channel], None]) -> None:
        refused = gate.refused(self.command, self.path, self.headers, self.server.port)
        if refused is None and self.request_version != "HTTP/1.1":
            refused = gate.Refused(505, "HTTP/1.1 is spoken here")
        if refused is not None:
            self._refuse(*refused, unread=True)
            return
        channels = self.server.channels
        try:
            channel = channels.of(self.headers.get(SESSION), self.headers.get(VERSION))
        except NhictlError as e:
            self._refuse(503, str(e), unread=True)
            return
        try:
            answer(channel)
        except NhictlError as e:
            channels.note(str(e))
            self._refuse(502, str(e))
        finally:
            channels.answered(channel)

    def _refuse(self, status: int, why: str, *, unread: bool = False) -> None:
        """Answer that nothing came of it, and end the connection. What is `unread` is read if it is little: a connection that
        is closed over it may take the answer with it.
        """
        self.close_connection = True
        with contextlib.suppress(OSError):
            if unread and isinstance(length := gate.length_of(self.headers), int) and length <= _ERROR_LIMIT:
                self.rfile.read(length)
            self._say(status, rpc.dump(rpc.error(None, rpc.INVALID_REQUEST, f"nhictl: {why}")))

    def _say(self, status: int, body: bytes = b"", kind: str = _JSON, session: str | None = None) -> None:
        self.send_response(status)
        if body:
            self.send_header("Content-Type", kind)
        if session is not None:
            self.send_header(SESSION, session)
        self.send_header("Cache-Control", "no-store")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _post(self, channel: Channel) -> None:
        length = gate.length_of(self.headers)
        if isinstance(length, gate.Refused):
            self._refuse(*length)
            return
        body = self.rfile.read(length)
        if len(body) != length:
            self._refuse(400, "the message was cut short")
            return
        session = channel.session
        with channel.lock:
            before = session.open
            back, forth = session.from_client(body)
            mine = session.open - before
        if not forth:
            status = 202 if not back else 400 if is_refusal_of_form(back) else 200
            self._say(status, back)
            return
        made, why = True, "the server gave no answer"
        try:
            headers = channel.headers({"Content-Type": _JSON, "Accept": ACCEPT})
            with self.server.channels.upstream.send("POST", headers, forth) as reply:
                if self._answer(channel, reply, back, mine):
                    mine = frozenset()
        except NotSentError:
            made, why = False, "the server was not reached"
            raise
        except LostError as e:
            why = str(e)
            raise
        finally:
            with channel.lock:
                session.unanswered(mine & session.open, why, made=made)

    def _answer(self, channel: Channel, reply: Reply, back: bytes, mine: frozenset[Id]) -> bool:
        """Hand on what the server says to a POST; whether an answer may still come another way."""
        if reply.status == 200 and reply.kind == STREAM:
            resumable = self._stream(channel, reply, back)
            return resumable and channel.ident is not None
        if reply.status in (200, 202):
            data = reply.read()
            with channel.lock:
                out = channel.session.from_server(data)[0] if reply.status == 200 else b""
            out = joined(back, out)
            if reply.status == 200 and not out and mine:
                raise LostError("the server answered with what is no message")
            self._say(reply.status if not out else 200, out, session=self._new(reply))
            return False
        self._failed(channel, reply)
        return False

    def _new(self, reply: Reply) -> str | None:
        """The id of a session that the server has just begun."""
        return reply.header(SESSION) if self.headers.get(SESSION) is None else None

    def _failed(self, channel: Channel, reply: Reply) -> None:
        """Hand on an error, as far as it is one of the protocol; one about our own credentials is ours."""
        self.close_connection = True
        if reply.status == 404:
            self.server.channels.forget(channel.ident, "the server has no such session")
        if not 400 <= reply.status < 600 or reply.status in (401, 403, 407):
            raise LostError(f"the server answered {reply.status}")
        out = b""
        if reply.kind == _JSON:
            with contextlib.suppress(LostError), channel.lock:
                out = channel.session.from_server(reply.read(_ERROR_LIMIT))[0]
        self._say(reply.status, out)

    def _stream(self, channel: Channel, reply: Reply, back: bytes) -> bool:
        """Hand on events; whether the client could go on elsewhere, since they have ids. It may leave: what is answered is
        recorded all the same.
        """
        out = Chunks(self)
        out.begin(self._new(reply))
        if back:
            out.write(sse.dump(sse.Event(b"message", back.rstrip(b"\n"), None, None)))
        reader, resumable = sse.Reader(), False
        try:
            for block in reply.blocks():
                for event in reader.add(block):
                    resumable = resumable or event.id is not None
                    out.write(passed(channel, event))
        except (LostError, sse.TooLargeError) as e:
            self.server.channels.note(f"a stream of the server broke off: {e}")
            self.close_connection = True
            return resumable
        out.end()
        return resumable

    def _get(self, channel: Channel) -> None:
        headers = channel.headers({"Accept": STREAM})
        if (last := self.headers.get(RESUME)) is not None:
            headers[RESUME] = last
        with self.server.channels.upstream.send("GET", headers, None) as reply:
            if reply.status != 200 or reply.kind != STREAM:
                self._failed(channel, reply)
                return
            reply.patient()
            over = threading.Event()
            threading.Thread(target=watch, args=(self.connection, reply, over), daemon=True).start()
            try:
                self._stream(channel, reply, b"")
            finally:
                over.set()

    def _delete(self, channel: Channel) -> None:
        with self.server.channels.upstream.send("DELETE", channel.headers({}), None) as reply:
            if not 200 <= reply.status < 300:
                self._failed(channel, reply)
                return
            self.server.channels.forget(channel.ident, "the session ended")
            self._say(reply.status)
