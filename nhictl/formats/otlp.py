"""OpenTelemetry traces as JSON (OTLP): one text `{resourceSpans[].scopeSpans[].spans[]}` or one a line; records are spans.

A span is a call of a tool by `gen_ai.operation.name` `execute_tool`, `mcp.method.name` `tools/call`, or, in OpenInference,
`openinference.span.kind` `TOOL` (OpenLLMetry: `traceloop.span.kind` `tool`). One inside another of the same tool is the
same call seen again (a client's and a server's side) and a plain span.

- run and trace: `traceId`; task: `gen_ai.conversation.id`, else `session.id`; principal: `enduser.id`, else `user.id`.
- agent: `gen_ai.agent.name` of the span or of the nearest above, else `service.name` of the resource; instance:
  `service.instance.id`; jti: `nhictl.jti`, if whoever called says so. No intent.
- tool `gen_ai.tool.name`, call `gen_ai.tool.call.id`, args `gen_ai.tool.call.arguments`, result `gen_ai.tool.call.result`;
  as fallback `tool.name`, `tool_call.id`, `tool_call.function.arguments` or `input.value`, `output.value`.
- outcome: `error` by status or `error.type`, `ok` once ended, else unknown. Times are kept to the nanosecond.

Other spans are events `span.OPERATION` or `span`. Logs and metrics are opaque. Order is by start.
Sources: reference/replay.md §1; OpenTelemetry, "Semantic conventions for generative AI" and "… for MCP"; OpenInference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.formats import moments
from nhictl.formats.documents import DocumentReading
from nhictl.formats.elements import Element
from nhictl.formats.reading import BrokenError, UnknownError, decoded, text_of
from nhictl.formats.span_tree import SpanTree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nhictl.core.replay.event import Event

_CONTAINERS: Final = ("resourceSpans", "resource_spans", "resourceLogs", "resourceMetrics")
_SCOPES: Final = ("scopeSpans", "scope_spans", "instrumentationLibrarySpans")
_OTHER: Final = {"resourceLogs": ("scopeLogs", "logRecords"), "resourceMetrics": ("scopeMetrics", "metrics")}
_MAX_DEPTH: Final = 32
_ARGS: Final = ("gen_ai.tool.call.arguments", "gen_ai.tool.arguments", "tool_call.function.arguments", "input.value",
                "traceloop.entity.input", "tool.parameters")  # fmt: skip
_RESULT: Final = ("gen_ai.tool.call.result", "gen_ai.tool.result", "output.value", "traceloop.entity.output")
_NAME: Final = ("gen_ai.tool.name", "tool.name", "tool_call.function.name", "traceloop.entity.name")
_CALL: Final = ("gen_ai.tool.call.id", "tool_call.id")
_TASK: Final = ("gen_ai.conversation.id", "session.id")
_PRINCIPAL: Final = ("enduser.id", "user.id")


def claims(record: Mapping[str, Any]) -> bool:
    """Whether this is a text of spans, logs or metrics."""
    return any(name in record for name in _CONTAINERS)


class Otlp(DocumentReading):
    """A file of traces."""

    format = "otlp"
    lists = _CONTAINERS
    by_time = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.spans = SpanTree()
        self.resource: dict[str, Any] = {}

    def element(self, name: str, element: Element) -> None:
        """Take what belongs to one resource."""
        value = element.value
        if element.why is not None or not isinstance(value, dict) or name not in _CONTAINERS:
            super().element(name, element)
            return
        if name in _OTHER:
            for record in _below(value, *_OTHER[name]):
                self.take(record, _unknown)
            return
        resource = value.get("resource")
        self.resource = attributes(resource.get("attributes")) if isinstance(resource, dict) else {}
        scopes = [scope for member in _SCOPES for scope in _list(value.get(member))]
        for scope in scopes:
            if isinstance(scope, dict):
                for span in _list(scope.get("spans")):
                    self.take(span, self._span)
            else:
                self.take(scope)

    def record(self, value: dict[str, Any]) -> None:  # noqa: ARG002 - whatever it says
        """What stands outside the lists."""
        raise UnknownError

    def _span(self, span: dict[str, Any]) -> None:
        trace, identity = _either(span, "traceId", "trace_id"), _either(span, "spanId", "span_id")
        if not isinstance(trace, str) or not isinstance(identity, str) or not trace or not identity:
            raise BrokenError("a span without `traceId` or `spanId`")
        said = attributes(span.get("attributes"))
        parent = _either(span, "parentSpanId", "parent_span_id")
        parent = parent if isinstance(parent, str) and parent else None
        self.run, self.task = trace, _first(said, _TASK)
        self.time = moments.since_epoch(_either(span, "startTimeUnixNano", "start_time_unix_nano"), "ns")
        tool = _tool(said, span)
        if tool is not None and not self._inner(trace, parent, tool):
            event = self._called(span, said, tool, identity, parent)
        else:
            operation = _first(said, ("gen_ai.operation.name", "mcp.method.name", "openinference.span.kind"))
            event = self.event(f"span.{operation}" if operation else "span", span=identity, parent=parent)
            event.tool = tool
            event.ext = {**span, "attributes": said, "resource": self.resource}
        event.trace = trace
        event.inst = _first(self.resource, ("service.instance.id",))
        event.principal = _first(said, _PRINCIPAL)
        event.jti = _first(said, ("nhictl.jti",))
        self.spans.add(event, trace, identity, parent, agent=_first(said, ("gen_ai.agent.name",)))
        if event.type == "tool.called":
            for held in self.spans.below(trace, identity):
                self._merge(event, held)

    def _inner(self, trace: str, parent: str | None, tool: str) -> bool:
        """Whether a span above is the same call; mostly it comes later, see `_merge`."""
        above = self.spans.above(trace, parent, _MAX_DEPTH)
        return any(held.tool == tool and held.type == "tool.called" for held in above)

    @staticmethod
    def _merge(outer: Event, inner: Event) -> None:
        """Make a call that came before the one it is inside of a plain span; what only it says goes over."""
        if inner.type != "tool.called" or inner.tool != outer.tool or inner.n is not None:
            return
        inner.type = "span.tool"
        for name in ("args", "result", "call", "jti"):
            if getattr(outer, name) is None:
                setattr(outer, name, getattr(inner, name))

    def _called(
        self, span: dict[str, Any], said: dict[str, Any], tool: str, identity: str, parent: str | None
    ) -> Event:
        event = self.call(tool, _args(said), _first(said, _CALL), span=identity, parent=parent)
        end = moments.since_epoch(_either(span, "endTimeUnixNano", "end_time_unix_nano"), "ns")
        status = span.get("status")
        status = status if isinstance(status, dict) else {}
        failed = status.get("code") in (2, "2", "STATUS_CODE_ERROR") or "error.type" in said
        result = next((said[name] for name in _RESULT if name in said), None)
        if failed or end is not None or result is not None:
            event.outcome, event.result = "error" if failed else "ok", result
            event.error = (status.get("message") or said.get("error.type") or "error") if failed else None
        event.ended = end
        gone = {*_NAME[:1], *_CALL[:1], *_ARGS[:1], *_RESULT[:1]}
        rest = {k: v for k, v in span.items() if k not in ("traceId", "spanId", "parentSpanId", "startTimeUnixNano")}
        event.ext = {**rest, "attributes": {k: v for k, v in said.items() if k not in gone}, "resource": self.resource}
        return event

    def leave(self, event: Event) -> None:
        """An agent that no span above named is the service."""
        super().leave(event)
        if event.agent is None and event.trace is not None and event.ext is not None:
            event.agent = _first(event.ext["resource"], ("service.name",))


def _tool(said: dict[str, Any], span: dict[str, Any]) -> str | None:
    """The tool that a span is a call of, None if it is none; one without any name keeps its span's."""
    is_call = (
        said.get("gen_ai.operation.name") == "execute_tool"
        or said.get("mcp.method.name") == "tools/call"
        or said.get("openinference.span.kind") == "TOOL"
        or said.get("traceloop.span.kind") == "tool"
    )
    if not is_call:
        return None
    return _first(said, _NAME) or text_of(span, "name") or "?"


def _args(said: dict[str, Any]) -> Any:
    for name in _ARGS:
        if name in said:
            return decoded(said[name])
    flat = {k.removeprefix("gen_ai.tool.call.arguments."): v for k, v in said.items()
            if k.startswith("gen_ai.tool.call.arguments.")}  # fmt: skip
    return flat or None


def attributes(given: Any) -> dict[str, Any]:
    """Attributes as a mapping, values with their types; OTLP JSON writes 64-bit integers as text."""
    if isinstance(given, dict):  # some exporters write a plain mapping
        return given
    made: dict[str, Any] = {}
    for entry in _list(given):
        if isinstance(entry, dict) and isinstance(entry.get("key"), str):
            made[entry["key"]] = _value(entry.get("value"), 0)
    return made


def _value(value: Any, depth: int) -> Any:
    if not isinstance(value, dict) or len(value) != 1 or depth > _MAX_DEPTH:
        return value
    ((kind, held),) = value.items()
    if kind == "intValue" and isinstance(held, str) and held.lstrip("-").isdigit() and len(held) < 24:
        return int(held)
    if kind == "arrayValue" and isinstance(held, dict):
        return [_value(one, depth + 1) for one in _list(held.get("values"))]
    if kind == "kvlistValue" and isinstance(held, dict):
        return {str(one.get("key")): _value(one.get("value"), depth + 1) for one in _list(held.get("values"))
                if isinstance(one, dict)}  # fmt: skip
    return held if kind in ("stringValue", "boolValue", "intValue", "doubleValue", "bytesValue") else value


def _below(value: dict[str, Any], scopes: str, records: str) -> list[Any]:
    return [one for scope in _list(value.get(scopes)) if isinstance(scope, dict) for one in _list(scope.get(records))]


def _unknown(_value: dict[str, Any]) -> None:
    raise UnknownError


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _either(value: dict[str, Any], *names: str) -> Any:
    return next((value[name] for name in names if name in value), None)


def _first(said: dict[str, Any], names: tuple[str, ...]) -> str | None:
    return next((said[name] for name in names if isinstance(said.get(name), str) and said[name]), None)


READING: Final = Otlp
