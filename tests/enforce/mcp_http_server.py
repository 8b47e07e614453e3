"""A small MCP server over streamable HTTP that does what a call's argument `do` says, faults included."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from collections.abc import Callable
from typing import Any

GOOD = {"name": "good", "description": "reads", "inputSchema": {"type": "object"}}


class Server(http.server.ThreadingHTTPServer):
    """Remembers the messages and headers that reached it; `tools` is what it lists."""

    daemon_threads = True

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any, dict[str, str]]] = []
        self.tools: list[Any] = [GOOD, {"name": "bad"}]
        self.push: list[bytes] = []
        self.pushed = threading.Event()
        self.left = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/mcp"

    def calls(self) -> list[Any]:
        return [body for method, body, _ in self.seen if method == "POST" and body.get("method") == "tools/call"]


def event(value: Any, ident: str | None = None) -> bytes:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return (f"id: {ident}\n".encode() if ident else b"") + b"data: " + data + b"\n\n"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else an answer on a kept connection waits 40 ms for an acknowledgement
    server: Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def say(
        self, body: bytes = b"", status: int = 200, kind: str = "application/json", length: int = 0, **more: str
    ) -> None:
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = bool(length)

    def stream(self, *events: bytes, wait: threading.Event | None = None, cut: bool = False) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for position, one in enumerate(events):
            if position and wait is not None:
                wait.wait(10)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(one), one))
        self.close_connection = cut
        if not cut:
            self.wfile.write(b"0\r\n\r\n")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append(("POST", body, {name.lower(): value for name, value in self.headers.items()}))
        one = body[0] if isinstance(body, list) else body
        if "id" not in one:
            self.say(status=202)
            return
        answer = {"jsonrpc": "2.0", "id": one["id"], "result": {"content": []}}
        if one["method"] == "initialize":
            self.say(json.dumps(answer).encode(), Mcp_Session_Id="s-1")
        elif one["method"] == "tools/list":
            self.say(json.dumps({**answer, "result": {"tools": self.server.tools}}).encode())
        else:
            _FAULTS[one.get("params", {}).get("arguments", {}).get("do", "json")](self, answer)

    def do_GET(self) -> None:
        self.server.seen.append(("GET", None, {name.lower(): value for name, value in self.headers.items()}))
        self.stream(*self.server.push)
        self.server.pushed.set()

    def do_DELETE(self) -> None:
        self.say(status=200)


def _hold(handler: _Handler, answer: Any) -> None:
    handler.stream(b": wait\n\n", event(answer), wait=handler.server.left)


_NOTE = {"jsonrpc": "2.0", "method": "notifications/x"}
_ERROR = {"code": -1, "message": "no"}
_FAULTS: dict[str, Callable[[_Handler, Any], None]] = {
    "json": lambda h, a: h.say(json.dumps(a).encode()),
    "large": lambda h, a: h.say(json.dumps({**a, "result": {"content": [], "x": "x" * 50_000_000}}).encode()),
    "batch": lambda h, a: h.say(json.dumps([a]).encode()),
    "sse": lambda h, a: h.stream(b"id: 0\ndata:\n\n", event(_NOTE, "1"), event(a, "2")),
    "sse-crlf": lambda h, a: h.stream(event(a).replace(b"\n", b"\r\n")),
    "sse-odd": lambda h, a: h.stream(b"event: endpoint\ndata: /x\n\n", event(b"{"), event({**a, "id": 99}), event(a)),
    "sse-open": lambda h, a: h.stream(event(_NOTE, "1")),
    "sse-cut": lambda h, a: h.stream(event(_NOTE), cut=True),
    "hold": _hold,
    "other": lambda h, a: h.say(json.dumps({**a, "id": 99}).encode()),
    "garbage": lambda h, a: h.say(b"{"),
    "accepted": lambda h, a: h.say(status=202),
    "cut": lambda h, a: h.say(json.dumps(a).encode(), length=1000),
    "drop": lambda h, a: setattr(h, "close_connection", True),
    "gzip": lambda h, a: h.say(gzip.compress(json.dumps(a).encode()), Content_Encoding="gzip"),
    "redirect": lambda h, a: h.say(status=307, Location="http://127.0.0.1:1/mcp"),
    "denied": lambda h, a: h.say(status=401, WWW_Authenticate="Bearer"),
    "gone": lambda h, a: h.say(status=404),
    "error": lambda h, a: h.say(json.dumps({"jsonrpc": "2.0", "id": a["id"], "error": _ERROR}).encode(), 400),
    "broken": lambda h, a: h.say(b"<html>", 500, "text/html"),
}  # fmt: skip
