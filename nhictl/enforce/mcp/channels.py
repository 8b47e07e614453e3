"""The sessions of a guard over streamable HTTP, by the id that the server gave each (`Mcp-Session-Id`).

A server that gives none has no sessions: then each request stands for itself, and what is known of the tools is shared.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from nhictl.core import strict_json
from nhictl.enforce.mcp import message as rpc
from nhictl.enforce.mcp.authority import Authority
from nhictl.enforce.mcp.listing import Listing
from nhictl.enforce.mcp.session import Session
from nhictl.enforce.mcp.sse import Reader, TooLargeError
from nhictl.enforce.mcp.upstream import LostError, Reply, Upstream
from nhictl.errors import UnavailableError

SESSION: Final = "Mcp-Session-Id"
VERSION: Final = "MCP-Protocol-Version"
RESUME: Final = "Last-Event-ID"
ACCEPT: Final = "application/json, text/event-stream"
MAX_CHANNELS: Final = 1000
_LIST_S: Final = 30.0


class Channel:
    """One session and the lock under which it is used; `headers` are those its requests have in common."""

    def __init__(self, hub: Channels, ident: str | None, version: str | None, listing: Listing) -> None:
        self.lock = threading.RLock()
        self.ident = ident
        self.version = version
        self._upstream = hub.upstream
        self._listing = listing
        self._numbers = 0
        self.session = Session(
            hub.authority, hub.passed, hub.note, errors=hub.errors, listing=listing, lister=self._list
        )

    def headers(self, more: Mapping[str, str]) -> dict[str, str]:
        """What a request to the server says of the session."""
        named = {SESSION: self.ident, VERSION: self.version}
        return {**{name: value for name, value in named.items() if value is not None}, **more}

    def _list(self, params: dict[str, Any]) -> dict[str, Any]:
        """Ask the server for a page of its tools, for the guard itself."""
        self._numbers += 1
        ident = f"nhictl-list-{self._numbers}"
        body = rpc.dump({"jsonrpc": "2.0", "id": ident, "method": "tools/list", "params": params})
        headers = self.headers({"Content-Type": "application/json", "Accept": ACCEPT})
        with self._upstream.send("POST", headers, body, _LIST_S) as reply:
            if reply.status != 200:
                raise UnavailableError(f"the server answered a list with {reply.status}", code="server_lost")
            for text in _texts(reply):
                try:
                    messages, _ = rpc.parse(text)
                except rpc.MessageFaultError as e:
                    raise LostError(f"the server answered a list with what is no message: {e}") from e
                for one in messages:
                    if one.method == "notifications/tools/list_changed":
                        self._listing.changed()
                    elif one.id == rpc.key(ident) and one.method is None:
                        return one.raw
        raise LostError("the server did not answer a list")


def _texts(reply: Reply) -> list[bytes]:
    if reply.kind != "text/event-stream":
        return [reply.read()]
    reader, found = Reader(), []
    try:
        for block in reply.blocks(rpc.MAX_LINE):
            found += [event.data for event in reader.add(block) if event.carries]
    except TooLargeError as e:
        raise LostError("the server's answer is too large") from e
    return found


class Channels:
    """All sessions, and what they have in common."""

    def __init__(
        self, upstream: Upstream, authority: Authority, passed: Sequence[str], note: Callable[[str], None], *, errors: bool
    ) -> None:  # fmt: skip
        self.upstream = upstream
        self.authority = authority
        self.passed = passed
        self.note = note
        self.errors = errors
        self._shared = Listing()
        self._lock = threading.Lock()
        self._known: dict[str, Channel] = {}
        self._alone: set[Channel] = set()
        self._ended = False

    def of(self, ident: str | None, version: str | None) -> Channel:
        """The channel of a request: its session's, or one for itself alone. A session that is not known is begun: the server
        knows whether it has it, and the guard may have been started anew meanwhile. UnavailableError (7) once the guard ends.
        """
        with self._lock:
            if self._ended:
                raise UnavailableError("the guard was told to end", code="ending")
            if ident is None:
                alone = Channel(self, None, version, self._shared)
                self._alone.add(alone)
                return alone
            found = self._known.pop(ident, None) or Channel(self, ident, version, Listing())
            self._known[ident] = found
            found.version = version if version is not None else found.version
            spare = [one for one in self._known.values() if not one.session.open][: len(self._known) - MAX_CHANNELS]
            for one in spare:
                del self._known[str(one.ident)]
        return found

    def forget(self, ident: str | None, why: str) -> None:
        """End a session that the server has not any more, and settle what it left open."""
        with self._lock:
            found = self._known.pop(ident or "", None)
        if found is not None:
            with found.lock:
                found.session.end(why)

    def answered(self, channel: Channel) -> None:
        """A request was answered: one that stood for itself has no channel any more."""
        with self._lock:
            self._alone.discard(channel)

    def end(self) -> None:
        """End all, and begin none any more."""
        with self._lock:
            self._ended = True
            rest = (*self._known.values(), *self._alone)
        for channel in rest:
            with channel.lock:
                channel.session.end("the guard was told to end")


def is_refusal_of_form(answer: bytes) -> bool:
    """Whether an answer of ours says that there was no request to answer."""
    value = strict_json.loads(answer, max_depth=rpc.MAX_DEPTH)
    return isinstance(value, dict) and value.get("id") is None
