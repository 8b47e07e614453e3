"""Streams of events between the server and a client: passed event by event, whether or not the client is still there."""

from __future__ import annotations

import http.server
import select
import socket
import threading
from typing import Final

from nhictl.enforce.mcp import sse
from nhictl.enforce.mcp.channels import SESSION, Channel
from nhictl.enforce.mcp.upstream import Reply

STREAM: Final = "text/event-stream"


class Chunks:
    """A stream to a client, in chunks; one that has left is not written to any more."""

    def __init__(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self._handler = handler
        self._gone = False

    def begin(self, session: str | None) -> None:
        """The answer's head; `session` is the id of one that the server has just begun."""
        handler = self._handler
        handler.send_response(200)
        handler.send_header("Content-Type", STREAM)
        handler.send_header("Cache-Control", "no-store")
        if session is not None:
            handler.send_header(SESSION, session)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()

    def write(self, data: bytes) -> None:
        """Some of it, as one chunk."""
        if data and not self._gone:
            self._put(b"%x\r\n%s\r\n" % (len(data), data))

    def end(self) -> None:
        """Say that this was all."""
        if not self._gone:
            self._put(b"0\r\n\r\n")

    def _put(self, data: bytes) -> None:
        try:
            self._handler.wfile.write(data)
        except OSError:
            self._gone = self._handler.close_connection = True


def passed(channel: Channel, event: sse.Event) -> bytes:
    """An event of the server as the client gets it."""
    if not event.carries:
        return sse.dump(event) if not event.data and event.name in (b"", b"message") else b""
    with channel.lock:
        out = channel.session.from_server(event.data)[0]
    return sse.dump(event._replace(data=out.rstrip(b"\n"))) if out else b""


def joined(ours: bytes, theirs: bytes) -> bytes:
    """One answer of two halves: a batch of which we answered some, and the server the others."""
    if not ours or not theirs:
        return ours or theirs
    return b"[" + b",".join(half.strip().removeprefix(b"[").removesuffix(b"]") for half in (ours, theirs)) + b"]\n"


def watch(client: socket.socket, reply: Reply, over: threading.Event) -> None:
    """End a stream of the server whose client has left, though nothing is said on it."""
    while not over.is_set():
        try:
            ready, _, _ = select.select([client], [], [], 1.0)
            if ready and client.recv(1, socket.MSG_PEEK):
                return  # it speaks, so it is there
            if ready:
                break
        except (OSError, ValueError):
            break
    reply.cut()
