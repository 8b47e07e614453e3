"""MCP traffic: JSON-RPC 2.0 messages a line, as they are or inside a wrapper such as `{"time", "direction", "message"}`.

A `tools/call` request and the response with its id are one call; other requests are events `rpc.METHOD` with their
response, notifications `rpc.METHOD`, responses to nothing `tool.returned` or `rpc.response`. A line may hold a batch.

- run: the file's. agent: `clientInfo.name` of `initialize`; principal, task, intent: not in the traffic.
- tool: `params.name`; args: `params.arguments`; call: the JSON-RPC id, types kept. `ext.server` names the server.
- outcome: `error` by `isError` or a JSON-RPC error, else `ok`; unknown without a response.
- time: the wrapper's `timestamp`, `time` or `ts` (RFC 3339; numbers are milliseconds since 1970).

Both sides count their ids for themselves: a response goes to a request of the other direction where directions are known.
Sources: reference/replay.md §1; Model Context Protocol, "Tools"; JSON-RPC 2.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.formats import moments
from nhictl.formats.reading import BrokenError, Reading, UnknownError, kept, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nhictl.core.replay.event import Event

_INSIDE: Final = ("message", "msg", "payload", "data", "body", "request", "response")
_TIMES: Final = ("timestamp", "time", "ts", "@timestamp")
_WAYS: Final = ("direction", "dir", "from", "source")


def claims(record: Mapping[str, Any]) -> bool:
    """Whether this is a JSON-RPC message, or holds one."""
    return record.get("jsonrpc") == "2.0" or any(
        isinstance(record.get(name), dict) and record[name].get("jsonrpc") == "2.0" for name in _INSIDE
    )


class Mcp(Reading):
    """A file of messages."""

    format = "mcp"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.server: str | None = None

    def take(self, value: Any, record: Any = None) -> None:
        """A line may be a batch: one record, several messages."""
        if isinstance(value, list) and value:
            super().take({"batch": value}, self._batch)
        else:
            super().take(value, record)

    def _batch(self, value: dict[str, Any]) -> None:
        for message in value["batch"]:
            if not isinstance(message, dict):
                raise BrokenError("a batch with something that is not an object")
            self.record(message)

    def record(self, value: dict[str, Any]) -> None:
        """Take one message, with its wrapper if it has one."""
        message = value
        if "jsonrpc" not in value:
            message = next(
                (value[n] for n in _INSIDE if isinstance(value.get(n), dict) and "jsonrpc" in value[n]), value
            )
        if message.get("jsonrpc") != "2.0":
            raise UnknownError
        wrapper = {k: v for k, v in value.items() if v is not message} if message is not value else {}
        self.time = _time(wrapper)
        way = next((wrapper[name] for name in _WAYS if isinstance(wrapper.get(name), str)), None)
        method, identity = message.get("method"), message.get("id")
        if "method" in message:
            if not isinstance(method, str):
                raise BrokenError("`method` is not a text")
            self._asked(message, method, way, wrapper)
        elif "result" in message or "error" in message:
            self._answered(message, identity, way, wrapper)
        else:
            raise BrokenError("neither `method` nor `result` nor `error`")

    def _asked(self, message: dict[str, Any], method: str, way: str | None, wrapper: dict[str, Any]) -> None:
        params = message.get("params")
        if method == "initialize" and isinstance(params, dict):
            self.agent = text_of(params.get("clientInfo"), "name") or self.agent
        identity = message.get("id")
        if method == "tools/call" and "id" in message:
            if not isinstance(params, dict) or not isinstance(params.get("name"), str):
                raise BrokenError("`tools/call` names no tool")
            event = self.call(params["name"], params.get("arguments"), identity)
            event.ext = {**wrapper, **(kept(params, "name", "arguments") or {})}
            if self.server is not None:
                event.ext["server"] = self.server
            event.ext = event.ext or None
            meta = params.get("_meta")
            event.jti, event.trace = text_of(meta, "nhictl.jti"), _trace(text_of(meta, "traceparent"))
        else:
            event = self.event(f"rpc.{method}")
            event.call = identity
            event.ext = {**wrapper, "params": params} if params is not None else wrapper or None
            if method == "notifications/cancelled" and isinstance(params, dict):
                self._cancelled(params)
        if "id" in message:
            self.calls.add(identity, event, message=way)

    def _cancelled(self, params: dict[str, Any]) -> None:
        for call in self.calls.held(params.get("requestId")):
            if "answered" not in call.known:
                call.event.ext = {**(call.event.ext or {}), "cancelled": params.get("reason", True)}

    def _answered(self, message: dict[str, Any], identity: Any, way: str | None, wrapper: dict[str, Any]) -> None:
        result, error = message.get("result"), message.get("error")
        of_tool = isinstance(result, dict) and ("content" in result or "structuredContent" in result)
        open_calls = [
            call for call in self.calls.held(identity)
            if "answered" not in call.known and (way is None or call.message is None or call.message != way)
        ]  # fmt: skip
        likely = [call for call in open_calls if (call.event.type == "tool.called") == of_tool] or open_calls
        if not likely:
            event = self.event("tool.returned" if of_tool else "rpc.response")
            event.call, event.ext = identity, wrapper or None
            self.problem("a response that no request fits", at=True)
        else:
            call = likely[-1]
            call.known.add("answered")
            event = call.event
        self._give(event, result, error)

    def _give(self, event: Event, result: Any, error: Any) -> None:
        if event.type == "rpc.initialize" and isinstance(result, dict):
            self.server = text_of(result.get("serverInfo"), "name")
        failed = error is not None or (isinstance(result, dict) and result.get("isError") is True)
        self.ended(
            event, "error" if failed else "ok", result, error if error is not None else result if failed else None
        )


def _time(wrapper: dict[str, Any]) -> str | None:
    for name in _TIMES:
        if name in wrapper:
            return moments.rfc3339(wrapper[name]) or moments.since_epoch(wrapper[name], "ms")
    return None


def _trace(traceparent: str | None) -> str | None:
    """The trace id of a W3C `traceparent`."""
    parts = traceparent.split("-") if traceparent is not None else []
    return parts[1] if len(parts) == 4 and len(parts[1]) == 32 else None


READING: Final = Mcp
