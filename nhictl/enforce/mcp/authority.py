"""What a session needs of whoever decides; the real one is `calls.Calls`, tests have their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nhictl.ops.guard_call import Answer


class Authority:
    """Judges and settles the calls of one server's tools, by the names the server has for them.

    A tool's `digest` is that of its description as the server last listed it (`core/policy/tool_digest`), "" if the server
    never listed it, or did so before it said that its list changed.
    """

    def begin(self, tool: str, args: dict[str, Any], ident: str, digest: str) -> Answer:
        """Judge a call and record it; raises NhictlError if that cannot be."""
        raise NotImplementedError

    def settle(self, answer: Answer, outcome: str, result: Any, error: str | None, *, made: bool = True) -> None:
        """Record how a call ended; raises NhictlError if that cannot be."""
        raise NotImplementedError

    def usable(self, tools: Mapping[str, str]) -> frozenset[str]:
        """Which of these tools, by name and digest, the task might be allowed at all."""
        raise NotImplementedError

    def pinned(self, tool: str) -> bool:
        """Whether the tool was declared with a digest, so that it cannot be judged without one."""
        raise NotImplementedError
