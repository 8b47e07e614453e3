"""What the guard does with each message of one MCP session: pass it, answer it, or hold an account open for it.

Client and server are told apart by which side a message comes from. A call is judged, then passed with its very bytes, then
settled with the answer's. Without doubt or not at all: what is no message is answered (client) or dropped and said
(server), and never passed. A call of a tool that was declared with a digest waits until the server has said what the tool
is now, since a server may change its list while a session goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any, Final

from nhictl.core.policy.glob import Glob
from nhictl.enforce.mcp import message as rpc
from nhictl.enforce.mcp.accounts import Accounts
from nhictl.enforce.mcp.authority import Authority
from nhictl.enforce.mcp.listing import Inquiry, Listing
from nhictl.enforce.mcp.message import Id, Message
from nhictl.enforce.mcp.tools import Lister, Tools

ALWAYS: Final = (
    "initialize",
    "ping",
    "logging/setLevel",
    "tools/list",
    "tools/call",
    "notifications/*",
    "notifications/*/*",
)
"""What a client may send whatever is configured: what the protocol itself needs, and what is judged or filtered here."""
_CHANGED: Final = "notifications/tools/list_changed"
_REMEMBERED: Final = 256
"""Answers that may come again, since a client that lost its stream asks for what it missed."""
_TASK: Final = "a call as a task is not passed by this guard, which would not see its result"


class Session:
    """The state of one session. `from_client` and `from_server` take a message and return what the client and what the server
    get, complete; `note` gets what people should know.

    Messages are lines, without their line feed, unless there is a `lister`: then each is a text of its own, and `lister` asks
    the server for a list of tools at once, given the parameters, and returns the answer.
    """

    def __init__(
        self, authority: Authority, passed: Sequence[str], note: Callable[[str], None], *, errors: bool = False,
        listing: Listing | None = None, lister: Lister | None = None,
    ) -> None:  # fmt: skip
        self._passed = [Glob(pattern) for pattern in (*ALWAYS, *passed)]
        self._note = note
        self._tools = Tools(authority, listing if listing is not None else Listing(), note)
        self._lister = lister
        self._end = b"\n" if lister is None else b""
        self._calls = Accounts(authority, note, as_error=errors)
        self._lists: dict[Id, int] = {}
        self._others: set[Id] = set()
        self._cancelled: set[Id] = set()
        self._done: dict[Id, tuple[bytes, bool]] = {}
        self._waiting: dict[Id, tuple[Message, bytes]] = {}
        self._inquiry: Inquiry | None = None
        self._asked: Id | None = None
        self._numbers = 0
        self._over = False

    @property
    def open(self) -> frozenset[Id]:
        """The ids of what the client asked and the server has not answered."""
        return frozenset((*self._calls.open, *self._lists, *self._others, *self._cancelled, *self._waiting))

    def _parse(self, line: bytes) -> tuple[list[Message], bool]:
        if self._lister is None and b"\r" in line.rstrip(b"\r"):
            raise rpc.MessageFaultError(
                rpc.PARSE_ERROR, "a carriage return: some readers take it for the end of a line"
            )
        return rpc.parse(line)

    def from_client(self, line: bytes) -> tuple[bytes, bytes]:
        """One message of the client: what the client is told at once, and what the server gets."""
        if not line.strip():
            return b"", b""
        try:
            messages, batch = self._parse(line)
        except rpc.MessageFaultError as e:
            return rpc.dump(rpc.error(None, e.code, str(e))), b""
        answers: list[dict[str, Any]] = []
        kept = [one for one in messages if self._outgoing(one, answers, b"" if batch else line)]
        back = rpc.dump(answers) if batch and answers else b"".join(rpc.dump(one) for one in answers)
        if len(kept) == len(messages):
            return back, line + self._end
        forth = rpc.dump([one.raw for one in kept]) if kept else b""
        return back, forth + self._inquire()

    def _outgoing(self, one: Message, answers: list[dict[str, Any]], line: bytes) -> bool:
        """Whether a client's message goes on; if not, what it is answered is added."""
        if one.method is None:
            return True  # an answer to what the server asked
        if self._over:
            answers += (
                [rpc.error(one.raw["id"], rpc.INTERNAL_ERROR, "the session is over")] if one.id is not None else []
            )
            return False
        if one.id is not None and (one.id in self.open or one.id == self._asked):
            answers.append(rpc.error(one.raw["id"], rpc.INVALID_REQUEST, "the id is that of a request under way"))
            return False
        if not self._passes(one.method):
            if one.id is not None:
                text = f"`{one.method[:100]}` is not passed by this guard"
                answers.append(rpc.error(one.raw["id"], rpc.METHOD_NOT_FOUND, text))
            return False
        if one.method == "tools/call":
            return self._call(one, answers, line)
        if one.id is None:
            return one.method != "notifications/cancelled" or self._cancel(one)
        if one.method == "tools/list":
            self._lists[one.id] = self._tools.listing.generation
        else:
            self._others.add(one.id)
        return True

    def _passes(self, method: str) -> bool:
        return any(pattern.matches(method) for pattern in self._passed)

    def _call(self, one: Message, answers: list[dict[str, Any]], line: bytes) -> bool:
        """Judge a call. One without an id could never be settled, so it is not made."""
        if one.id is None:
            self._note("a tools/call without an id was not passed")
            return False
        name, args = one.params.get("name"), one.params.get("arguments", {})
        fault = None
        if not isinstance(name, str) or not isinstance(args, dict):
            fault = "`name` is a string, `arguments` an object"
        elif rpc.ambiguous(one.params):
            fault = "names that differ in case alone: some readers take them for one"
        elif "task" in one.params and not self._passes("tasks/result"):
            fault = _TASK
        if fault is not None:
            answers.append(rpc.error(one.raw["id"], rpc.INVALID_PARAMS, fault))
            return False
        if self._tools.unlisted(str(name)):
            if self._lister is None:
                self._waiting[one.id] = (one, line)
                return False
            self._tools.ask(self._lister)
        return self._judged(one, answers)

    def _judged(self, one: Message, answers: list[dict[str, Any]]) -> bool:
        said = self._calls.begin(one, self._tools.listing.digest(str(one.params["name"])))
        answers += [] if said is None else [said]
        return said is None

    def _cancel(self, one: Message) -> bool:
        """Whether the server is told. A cancelled call is settled at once: it has no answer any more (MCP "Cancellation")."""
        asked = one.params.get("requestId")
        if not isinstance(asked, str | int | float):
            return True
        if self._waiting.pop(rpc.key(asked), None) is not None:
            return False  # the server was not told of it
        if rpc.key(asked) in self._calls.open:
            self._cancelled.add(rpc.key(asked))
            self._calls.give_up([rpc.key(asked)], "cancelled by the client")
        return True

    def _inquire(self) -> bytes:
        """The guard's own request for a list, where calls wait for one and none is under way."""
        if not self._waiting or self._asked is not None:
            return b""
        if self._inquiry is None:
            self._inquiry = Inquiry(self._tools.listing)
        self._numbers += 1
        ident = f"nhictl-list-{self._numbers}"
        self._asked = rpc.key(ident)
        return rpc.dump({"jsonrpc": "2.0", "id": ident, "method": "tools/list", "params": self._inquiry.ask or {}})

    def _inquired(self, raw: dict[str, Any]) -> tuple[bytes, bytes]:
        """Go on with the list, or judge what waited for it."""
        self._asked = None
        if self._inquiry is not None:
            self._inquiry.answered(raw)
            if self._inquiry.ask is not None:
                return b"", self._inquire()
        self._inquiry = None
        waiting, self._waiting = self._waiting, {}
        answers: list[dict[str, Any]] = []
        passed = [
            line + b"\n" if line else rpc.dump(one.raw) for one, line in waiting.values() if self._judged(one, answers)
        ]
        return b"".join(rpc.dump(one) for one in answers), b"".join(passed)

    def from_server(self, line: bytes) -> tuple[bytes, bytes]:
        """One message of the server: what the client and what the server get."""
        if not line.strip():
            return b"", b""
        try:
            messages, batch = self._parse(line)
        except rpc.MessageFaultError as e:
            self._note(f"a message of the server was not passed: {e}")
            return b"", b""
        back, forth = b"", b""
        changed: list[dict[str, Any] | None] = []
        for one in messages:
            if one.method is None and one.id is not None and one.id == self._asked:
                told, back_forth = self._inquired(one.raw)
                back, forth = back + told, forth + back_forth
                changed.append(None)
            else:
                changed.append(self._incoming(one))
        kept = [after for after in changed if after is not None]
        if len(kept) == len(messages) and all(a is m.raw for a, m in zip(kept, messages, strict=True)):
            return line + self._end + back, forth
        if batch:
            return (rpc.dump(kept) if kept else b"") + back, forth
        return b"".join(rpc.dump(after) for after in kept) + back, forth

    def _incoming(self, one: Message) -> dict[str, Any] | None:
        """A server's message as the client gets it: the same object where nothing was taken from it, None for none."""
        if one.method == _CHANGED:
            self._tools.listing.changed()
        if one.method is not None or one.id is None:
            return one.raw
        if (generation := self._lists.pop(one.id, None)) is not None:
            self._remember(one, listed=True)
            return self._tools.shown(one.raw, generation)
        if one.id in self._calls.open:
            if (after := self._calls.returned(one.id, one.raw)) is one.raw:
                self._remember(one, listed=False)
            return after
        if one.id in self._others:
            self._others.discard(one.id)
            self._remember(one, listed=False)
            return one.raw
        if (known := self._done.get(one.id)) is not None and known[0] == sha256(rpc.dump(one.raw)).digest():
            return self._tools.shown(one.raw, -1) if known[1] else one.raw
        self._cancelled.discard(one.id)
        self._note("an answer of the server to nothing that is asked was not passed")
        return None

    def _remember(self, one: Message, *, listed: bool) -> None:
        if self._lister is not None and one.id is not None:
            self._done[one.id] = (sha256(rpc.dump(one.raw)).digest(), listed)
            if len(self._done) > _REMEMBERED:
                del self._done[next(iter(self._done))]

    def unanswered(self, idents: Iterable[Id], why: str, *, made: bool) -> None:
        """Give up on requests that no answer can come to any more; `made` is whether the server may have been told."""
        found = tuple(idents)
        self._calls.give_up(found, why, made=made)
        for ident in found:
            self._lists.pop(ident, None)
            self._others.discard(ident)
            self._cancelled.discard(ident)

    def end(self, why: str) -> None:
        """Settle every call that is still open; nothing is asked any more."""
        self._over = True
        self._waiting.clear()
        self._calls.give_up(tuple(self._calls.open), why)
