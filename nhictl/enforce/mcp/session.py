"""What the guard does with each message of one MCP session: pass it, answer it, or hold an account open for it.

Client and server are told apart by which side a line comes from. A call is judged, then passed with its very bytes, then
settled with the answer's. Without doubt or not at all: a line that is no message is answered (client) or dropped and said
(server), and never passed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from nhictl.core.policy.glob import Glob
from nhictl.enforce.mcp import message as rpc
from nhictl.enforce.mcp.message import Id, Message
from nhictl.errors import NhictlError
from nhictl.ops.guard_call import Answer

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


class Held(NamedTuple):
    """A call that was let through and has not been answered, and how the client called it."""

    answer: Answer
    ident: Any


class Authority:
    """What a session needs of the authority; the real one is `calls.Calls`, tests have their own."""

    def begin(self, tool: str, args: dict[str, Any], ident: str) -> Answer:
        """Judge a call and record it; raises NhictlError if that cannot be."""
        raise NotImplementedError

    def settle(self, answer: Answer, outcome: str, result: Any, error: str | None) -> None:
        """Record how a call ended; raises NhictlError if that cannot be."""
        raise NotImplementedError

    def usable(self, tools: Sequence[str]) -> frozenset[str]:
        """Which of these tools the task might be allowed at all."""
        raise NotImplementedError


class Session:
    """The state of one session. `from_client` and `from_server` take a line without its line feed and return the lines for
    the client and for the server, complete; `note` gets what people should know.
    """

    def __init__(
        self, authority: Authority, passed: Sequence[str], note: Callable[[str], None], *, errors: bool = False
    ) -> None:
        self._authority = authority
        self._passed = [Glob(pattern) for pattern in (*ALWAYS, *passed)]
        self._note = note
        self._errors = errors
        self._calls: dict[Id, Held] = {}
        self._lists: set[Id] = set()
        self._others: set[Id] = set()
        self._numbers = 0

    def from_client(self, line: bytes) -> tuple[bytes, bytes]:
        """One line of the client: what the client is told at once, and what the server gets."""
        if not line.strip():
            return b"", b""
        try:
            messages, batch = rpc.parse(line)
        except rpc.MessageFaultError as e:
            return rpc.dump(rpc.error(None, e.code, str(e))), b""
        answers: list[dict[str, Any]] = []
        kept = [one for one in messages if self._outgoing(one, answers)]
        back = rpc.dump(answers) if batch and answers else b"".join(rpc.dump(one) for one in answers)
        if len(kept) == len(messages):
            return back, line + b"\n"
        return back, rpc.dump([one.raw for one in kept]) if kept else b""

    def _outgoing(self, one: Message, answers: list[dict[str, Any]]) -> bool:
        """Whether a client's message goes on; if not, what it is answered is added."""
        if one.method is None:
            return True  # an answer to what the server asked
        if one.id is not None and (one.id in self._calls or one.id in self._lists or one.id in self._others):
            answers.append(rpc.error(one.raw["id"], rpc.INVALID_REQUEST, "the id is that of a request under way"))
            return False
        if not any(pattern.matches(one.method) for pattern in self._passed):
            if one.id is not None:
                text = f"`{one.method[:100]}` is not passed by this guard"
                answers.append(rpc.error(one.raw["id"], rpc.METHOD_NOT_FOUND, text))
            return False
        if one.method == "tools/call":
            return self._call(one, answers)
        if one.id is not None:
            (self._lists if one.method == "tools/list" else self._others).add(one.id)
        elif one.method == "notifications/cancelled":
            self._cancelled(one)
        return True

    def _call(self, one: Message, answers: list[dict[str, Any]]) -> bool:
        """Judge a call. One without an id could never be settled, so it is not made."""
        if one.id is None:
            self._note("a tools/call without an id was not passed")
            return False
        name, args = one.params.get("name"), one.params.get("arguments", {})
        if not isinstance(name, str) or not isinstance(args, dict):
            answers.append(rpc.error(one.raw["id"], rpc.INVALID_PARAMS, "`name` is a string, `arguments` an object"))
            return False
        self._numbers += 1
        try:
            answer = self._authority.begin(name, args, f"{self._numbers}")
        except NhictlError as e:
            self._note(f"{name[:100]} was not passed: {e}")
            answers.append(self._refusal(one.raw["id"], name, e.code, str(e), None))
            return False
        if not answer.allowed:
            answers.append(self._refusal(one.raw["id"], name, answer.reason, answer.message, answer.seq))
            return False
        self._calls[one.id] = Held(answer, one.raw["id"])
        return True

    def _refusal(self, ident: Any, tool: str, reason: str, why: str, record: int | None) -> dict[str, Any]:
        """How a client is told that a call was not made: as the tool's own error, which models read and act upon, or as one of
        the protocol (MCP "Error Handling" has both).
        """
        text = f"nhictl: {tool[:100]} is denied: {reason}" + (f": {why}" if why else "")
        known = {"nhictl/reason": reason} | ({"nhictl/record": record} if record is not None else {})
        if self._errors:
            return rpc.error(ident, rpc.INVALID_PARAMS, text, known)
        result = {"content": [{"type": "text", "text": text}], "isError": True, "_meta": known}
        return {"jsonrpc": "2.0", "id": ident, "result": result}

    def _cancelled(self, one: Message) -> None:
        """A cancelled call gets no answer (MCP "Cancellation"); if one comes all the same, it is passed like any other."""
        asked = one.params.get("requestId")
        if isinstance(asked, str | int | float) and (held := self._calls.pop(rpc.key(asked), None)) is not None:
            self._others.add(rpc.key(asked))
            self._settle(held.answer, "error", None, "cancelled by the client")

    def from_server(self, line: bytes) -> bytes:
        """One line of the server: what the client gets."""
        if not line.strip():
            return b""
        try:
            messages, batch = rpc.parse(line)
        except rpc.MessageFaultError as e:
            self._note(f"a line of the server was not passed: {e}")
            return b""
        changed = [self._incoming(one) for one in messages]
        kept = [after for after in changed if after is not None]
        if [one.raw for one in messages] == kept and all(a is m.raw for a, m in zip(kept, messages, strict=True)):
            return line + b"\n"
        if batch:
            return rpc.dump(kept) if kept else b""
        return b"".join(rpc.dump(after) for after in kept)

    def _incoming(self, one: Message) -> dict[str, Any] | None:
        """A server's message as the client gets it: the same object where nothing was taken from it, None for none."""
        if one.method is not None or one.id is None:
            return one.raw
        if one.id in self._lists:
            self._lists.discard(one.id)
            return self._listed(one.raw)
        if (held := self._calls.pop(one.id, None)) is not None:
            return self._returned(held, one.raw)
        if one.id not in self._others:
            self._note("an answer of the server to nothing that was asked was not passed")
            return None
        self._others.discard(one.id)
        return one.raw

    def _returned(self, held: Held, raw: dict[str, Any]) -> dict[str, Any]:
        """Settle a call by its answer. An answer that could not be recorded is not handed on: nobody would know of it."""
        result = raw.get("result")
        failed = "error" in raw or (isinstance(result, dict) and result.get("isError") is True)
        what = raw.get("error", result)
        told = raw["error"].get("message") if isinstance(raw.get("error"), dict) else None
        if self._settle(held.answer, "error" if failed else "ok", what, told if isinstance(told, str) else None):
            return raw
        text = "nhictl: the call was made, but its result could not be recorded and is withheld"
        return rpc.error(held.ident, rpc.INTERNAL_ERROR, text)

    def _listed(self, raw: dict[str, Any]) -> dict[str, Any]:
        """The list of tools without those that the task can never use."""
        result = raw.get("result")
        tools = result.get("tools") if isinstance(result, dict) else None
        if not isinstance(result, dict) or not isinstance(tools, list):
            return raw
        names = [tool["name"] for tool in tools if isinstance(tool, dict) and isinstance(tool.get("name"), str)]
        try:
            usable = self._authority.usable(names)
        except NhictlError as e:
            self._note(f"no tool is listed: {e}")
            usable = frozenset()
        kept = [tool for tool in tools if isinstance(tool, dict) and tool.get("name") in usable]
        if len(kept) == len(tools):
            return raw
        return {**raw, "result": {**result, "tools": kept}}

    def _settle(self, answer: Answer, outcome: str, result: Any, error: str | None) -> bool:
        try:
            self._authority.settle(answer, outcome, result, error)
        except NhictlError as e:
            self._note(f"what came of record {answer.seq} could not be recorded: {e}")
            return False
        return True

    def end(self, why: str) -> None:
        """Settle every call that is still open."""
        for held in self._calls.values():
            self._settle(held.answer, "error", None, why)
        self._calls.clear()
