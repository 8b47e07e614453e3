"""A served home in a thread of this process, and a client that speaks plain HTTP to it, over the socket or TCP."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from nhictl.enforce.serve import run
from nhictl.enforce.serve.service import Place, Service
from nhictl.ops import serve_start
from nhictl.ops.house import House


class Answered(NamedTuple):
    """Status, headers (names in lower case) and body of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Served:
    """`tcp` serves on loopback, where nobody is known by the kernel; else on a socket of a short path."""

    def __init__(self, house: House, path: Path, *, tcp: bool = False, **place: Any) -> None:
        serve_start.opened(house)
        self.path = path
        self._sock = run.tcp_socket("127.0.0.1", 0) if tcp else run.unix_socket(path, 0o600, None)
        self.port = self._sock.getsockname()[1] if tcp else 0
        self.notes: list[str] = []
        self.service = Service(house, Place(house.meta["issuer"], **place))
        self.server = run.server(self.service, self.notes.append)
        ready = threading.Event()
        self._thread = threading.Thread(
            target=run.serve, args=(self.server, self.service, self._sock, ready.set, self.notes.append)
        )
        self._thread.start()
        assert ready.wait(20)

    def connection(self, timeout: float = 20) -> http.client.HTTPConnection:
        """A connection of its own, kept alive."""
        if self.port:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        return _Unix(self.path, timeout)

    def raw(self, timeout: float = 20) -> socket.socket:
        """A bare connection."""
        made = self.connection(timeout)
        made.connect()
        return made.sock

    def ask(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None,
        over: http.client.HTTPConnection | None = None,
    ) -> Answered:  # fmt: skip
        """One request; a dict is sent as JSON, bytes as they are."""
        given = dict(headers or {})
        data = body
        if isinstance(body, dict | list):
            data = json.dumps(body).encode()
            given.setdefault("content-type", "application/json")
        used = over or self.connection()
        used.request(method, path, data, given)
        found = used.getresponse()
        made = Answered(found.status, {name.lower(): value for name, value in found.getheaders()}, found.read())
        if over is None:
            used.close()
        return made

    def evaluate(self, body: Any, **more: Any) -> Answered:
        """An access evaluation."""
        return self.ask("POST", "/access/v1/evaluation", body, **more)

    def form(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> Answered:
        """A form."""
        kind = {"content-type": "application/x-www-form-urlencoded", **(headers or {})}
        return self.ask("POST", path, urlencode(fields).encode(), headers=kind)

    def stop(self) -> None:
        """Stop it and wait for its end."""
        self.server.stop()
        self._thread.join(30)
        assert not self._thread.is_alive()
        self.path.unlink(missing_ok=True)
        assert self.notes == []  # no bug was met


def evaluation(
    subject: str, tool: str, args: dict[str, Any] | None = None, resource: str = "urn:none", **properties: Any
) -> dict[str, Any]:
    """An access evaluation request."""
    return {
        "subject": {"type": "agent", "id": subject, "properties": properties},
        "action": {"name": tool, "properties": args or {}},
        "resource": {"type": "uri", "id": resource},
    }
