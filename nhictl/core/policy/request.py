"""The question put to a policy: who wants to call which tool, with what, for what, and when."""

from __future__ import annotations

from typing import Any

__all__ = ["Request"]


class Request:
    """One call asked about. `now_us` is microseconds since the Unix epoch, UTC.

    `task` and `token` are what an enforcement point knows (`{"principal": …}`, `{"ttl_s": …}`); None means that nobody
    knows, in which case `context` may claim them (`{"token.ttl_s": 300}`).
    """

    __slots__ = ("agent", "args", "context", "intent", "now_us", "resource", "task", "token", "tool")

    def __init__(
        self,
        agent: str,
        tool: str,
        args: dict[str, Any] | None = None,
        resource: str | None = None,
        intent: str | None = None,
        now_us: int = 0,
        context: dict[str, Any] | None = None,
        task: dict[str, Any] | None = None,
        token: dict[str, Any] | None = None,
    ) -> None:
        self.agent = agent
        self.tool = tool
        self.args = {} if args is None else args
        self.resource = resource
        self.intent = intent
        self.now_us = now_us
        self.context = {} if context is None else context
        self.task = task
        self.token = token
