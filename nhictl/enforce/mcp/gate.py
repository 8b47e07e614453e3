"""What a request over HTTP has to be before anybody looks what it asks: from this machine, this user, and no web page.

A web page may make a browser send requests to ports of this machine, under a name that it makes point there (DNS
rebinding). So `Host` has to be this machine's and `Origin`, which browsers always send, ours or absent (MCP "Transports",
security warning), and a body is `application/json`, which a page cannot send without asking first.
"""

from __future__ import annotations

from email.message import Message
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from nhictl.enforce.mcp.message import MAX_LINE
from nhictl.enforce.mcp.upstream import LOOPBACK

PATH: Final = "/mcp"
_TOKEN_LIMIT: Final = 256


class Refused(NamedTuple):
    """The status and the words that a request is refused with."""

    status: int
    why: str


def refused(method: str, target: str, headers: Message, port: int) -> Refused | None:
    """Why a request goes no further, None if it does; its length is `length_of`'s."""
    if not _is_ours(headers.get_all("host", []), port):
        return Refused(403, "the Host is not this machine")
    for origin in headers.get_all("origin", []):
        parts = urlsplit(origin) if origin.startswith("http://") else None
        if parts is None or parts.path or not _is_ours([parts.netloc], port):
            return Refused(403, "requests of web pages are not taken")
    if target.partition("?")[0] != PATH:
        return Refused(404, f"the address is {PATH}")
    for name in ("mcp-session-id", "mcp-protocol-version", "last-event-id"):
        found = headers.get_all(name, [])
        if len(found) > 1 or any(not _is_token(value) for value in found):
            return Refused(400, f"{name} is given once, as 1 to {_TOKEN_LIMIT} printable ASCII characters")
    if method != "POST":
        return None
    if "transfer-encoding" in headers or len(headers.get_all("content-length", [])) != 1:
        return Refused(411, "say how long the message is (Content-Length)")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        return Refused(415, "messages are not taken compressed")
    if headers.get_content_type() != "application/json":
        return Refused(415, "a message is application/json")
    return None


def length_of(headers: Message) -> int | Refused:
    """How many bytes follow."""
    text = headers.get("content-length", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        return Refused(400, "Content-Length is no number")
    return int(text) if int(text) <= MAX_LINE else Refused(413, f"a message is at most {MAX_LINE >> 20} MiB")


def _is_ours(found: list[str], port: int) -> bool:
    """Whether exactly one host is named, it is this machine, and the port is the one that is listened on."""
    if len(found) != 1:
        return False
    try:
        parts = urlsplit(f"//{found[0]}")
        return (parts.hostname or "") in LOOPBACK and parts.port == port and "@" not in found[0]
    except ValueError:
        return False


def _is_token(value: str) -> bool:
    return 1 <= len(value) <= _TOKEN_LIMIT and value.isascii() and value.isprintable() and " " not in value
