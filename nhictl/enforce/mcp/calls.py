"""The authority of one MCP session: each call under the token or task as it is at that moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nhictl.core.token import b64
from nhictl.enforce.mcp.session import Authority
from nhictl.ops import guard_call, guard_tools
from nhictl.ops.guard_call import Answer, Call, Grip
from nhictl.ops.house import House


class Calls(Authority):
    """`prefix` stands before a tool's name in the catalogue, so that two servers' tools of one name are two tools. `grip`
    reads what is held, for every call anew.
    """

    def __init__(self, house: House, grip: Callable[[], Grip], prefix: str) -> None:
        self._house = house
        self._grip = grip
        self._prefix = prefix
        self._session = "mcp-" + b64.encode(house.random(9))

    def begin(self, tool: str, args: dict[str, Any], ident: str) -> Answer:
        call = Call(self._prefix + tool, args, call=f"{self._session}.{ident}", span=f"{self._session}.{ident}")
        return guard_call.begin(self._house, self._grip(), call)

    def settle(self, answer: Answer, outcome: str, result: Any, error: str | None) -> None:
        guard_call.settle(self._house, answer, outcome, result, error=error)

    def usable(self, tools: Sequence[str]) -> frozenset[str]:
        found = guard_tools.usable(self._house, self._grip(), [self._prefix + tool for tool in tools])
        return frozenset(tool for tool in tools if self._prefix + tool in found)
