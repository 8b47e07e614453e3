"""The authority of one MCP session: each call under the token or task as it is at that moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nhictl.core.token import b64
from nhictl.enforce.mcp.authority import Authority
from nhictl.ops import guard_call, guard_tools
from nhictl.ops.guard_call import Answer, Call, Grip
from nhictl.ops.house import House
from nhictl.ops.house_thread import HouseThread


class Calls(Authority):
    """`prefix` stands before a tool's name in the catalogue, so that two servers' tools of one name are two tools. `grip`
    reads what is held, for every call anew.
    """

    def __init__(self, house: House, grip: Callable[[], Grip], prefix: str) -> None:
        self._house = house
        self._grip = grip
        self._prefix = prefix
        self._session = "mcp-" + b64.encode(house.random(9))

    def begin(self, tool: str, args: dict[str, Any], ident: str, digest: str) -> Answer:
        named = f"{self._session}.{ident}"
        context = {"tool.digest": digest} if digest or self.pinned(tool) else None
        call = Call(self._prefix + tool, args, context=context, call=named, span=named)
        return guard_call.begin(self._house, self._grip(), call)

    def settle(self, answer: Answer, outcome: str, result: Any, error: str | None, *, made: bool = True) -> None:
        guard_call.settle(self._house, answer, outcome, result, error=error, made=made)

    def usable(self, tools: Mapping[str, str]) -> frozenset[str]:
        named = {self._prefix + tool: digest for tool, digest in tools.items()}
        found = guard_tools.usable(self._house, self._grip(), named)
        return frozenset(tool for tool in tools if self._prefix + tool in found)

    def pinned(self, tool: str) -> bool:
        return guard_tools.pinned(self._house, self._prefix + tool)


class InTurn(Authority):
    """The same for many threads, one call at a time; `thread` has the home that `calls` are judged in."""

    def __init__(self, thread: HouseThread, calls: Calls) -> None:
        self._thread = thread
        self._calls = calls

    def begin(self, tool: str, args: dict[str, Any], ident: str, digest: str) -> Answer:
        return self._thread.do(lambda _: self._calls.begin(tool, args, ident, digest))

    def settle(self, answer: Answer, outcome: str, result: Any, error: str | None, *, made: bool = True) -> None:
        self._thread.do(lambda _: self._calls.settle(answer, outcome, result, error, made=made))

    def usable(self, tools: Mapping[str, str]) -> frozenset[str]:
        return self._thread.do(lambda _: self._calls.usable(tools))

    def pinned(self, tool: str) -> bool:
        return self._thread.do(lambda _: self._calls.pinned(tool))
