"""Connections: who is at the other end, how many there may be, and how long one may take over a request or an answer."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS: Final = 512
MAX_OF_ONE: Final = 128
"""Connections of one user on the socket: no user can keep the others out."""
REQUEST_S: Final = 10.0
"""Seconds from the connection, or the answer before, until a request has to be there whole."""
ANSWER_S: Final = 30.0
"""Seconds from the whole request until its answer has to be taken."""
MAX_HEADERS: Final = 32768
_PEER: Final = struct.Struct("3i")


def peer_of(sock: socket.socket | None) -> tuple[int, int] | None:
    """(uid, pid) of whoever connected to a unix socket; None for any other."""
    if sock is None or sock.family != socket.AF_UNIX:
        return None
    pid, uid, _ = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return uid, pid


class Connection(H11Protocol):
    """One connection. What the kernel says of its peer stands in the scope's `state` as `peer`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request_s, self.answer_s = REQUEST_S, ANSWER_S
        self.peer: tuple[int, int] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._answering = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.peer = peer_of(transport.get_extra_info("socket"))
        self.app_state = {**self.app_state, "peer": self.peer}
        same = 0
        if self.peer is not None:
            uid = self.peer[0]
            same = sum(
                one.peer is not None and one.peer[0] == uid for one in self.connections if isinstance(one, Connection)
            )
        if len(self.connections) > MAX_CONNECTIONS or same > MAX_OF_ONE:
            transport.abort()
            return
        self._arm(self.request_s)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        self._answering = False
        self._arm(self.request_s)
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arm(None)
        super().connection_lost(exc)

    def _watch(self) -> None:
        """From the whole request on it is our turn, and then theirs to take the answer."""
        whole = self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete
        if whole and not self._answering:
            self._answering = True
            self._arm(self.answer_s)

    def _arm(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)
