"""Traces of the OpenAI Agents SDK: items `trace` and `trace.span`, as lines, a list, or batches `{"data": […]}`.

A span is `{object, id, trace_id, parent_id, started_at, ended_at, span_data{type, …}, error{message, data}}`.

- run and trace: `trace_id`; task: the trace's `group_id`; intent: its `workflow_name`; principal: not in the trace.
- agent: the name in the nearest `agent` span above; where that is not in the file, unknown.
- call: a `function` span: tool `name`, args `input` (JSON text decoded), result `output`; no id but the span's.
- outcome: `error` with an `error`, `ok` once ended, else unknown.
- order is by `started_at`: spans are written when they end.

Other spans are events `span.TYPE` (`agent`, `generation`, `response`, `handoff`, `guardrail`, `custom`, …), a trace is
`run`. Sources: reference/replay.md §1; the SDK's `tracing/span_data.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.formats import moments
from nhictl.formats.documents import DocumentReading
from nhictl.formats.reading import BrokenError, UnknownError, decoded, kept, text_of
from nhictl.formats.span_tree import SpanTree

if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS: Final = frozenset({"agent", "custom", "generation", "guardrail", "handoff", "mcp_tools", "response", "speech",
                           "speech_group", "task", "transcription", "turn"})  # fmt: skip
_OWN: Final = ("object", "id", "trace_id", "parent_id", "started_at", "span_data", "error")


def claims(record: Mapping[str, Any]) -> bool:
    """Whether this is an item, or a batch of them."""
    data = record.get("data")
    if isinstance(data, list) and data and isinstance(data[0], dict):
        return claims(data[0])
    return record.get("object") in ("trace", "trace.span")


class OpenAIAgents(DocumentReading):
    """A file of traces."""

    format = "openai-agents"
    lists = ("data",)
    by_time = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.traces: dict[str, tuple[str | None, str | None]] = {}
        self.spans = SpanTree()

    def record(self, value: dict[str, Any]) -> None:
        """Take one item."""
        kind = value.get("object")
        if kind == "trace":
            self._trace(value)
        elif kind == "trace.span":
            self._span(value)
        else:
            raise UnknownError

    def _trace(self, value: dict[str, Any]) -> None:
        identity = text_of(value, "id")
        if identity is None:
            raise BrokenError("a trace without `id`")
        self.traces[identity] = task, intent = text_of(value, "group_id"), text_of(value, "workflow_name")
        self.run, self.task, self.agent = identity, task, None
        event = self.event("run", span=identity)
        event.trace, event.intent = identity, intent
        event.ext = kept(value, "object", "id", "group_id")
        self.spans.settle(identity, lambda known: self._trace_known(known, task, intent))

    @staticmethod
    def _trace_known(event: Any, task: str | None, intent: str | None) -> None:
        event.task, event.intent = task, intent

    def _span(self, value: dict[str, Any]) -> None:
        trace, identity, data = text_of(value, "trace_id"), text_of(value, "id"), value.get("span_data")
        if trace is None or identity is None or not isinstance(data, dict):
            raise BrokenError("a span without `trace_id`, `id` or `span_data`")
        kind = text_of(data, "type")
        if kind != "function" and kind not in _KINDS:
            raise UnknownError
        parent = text_of(value, "parent_id")
        self.run, self.agent = trace, None
        self.task, self.intent = self.traces.get(trace, (None, None))
        self.time = moments.rfc3339(value.get("started_at"))
        if kind == "function":
            event = self.call(data.get("name"), decoded(data.get("input")), None, span=identity, parent=parent or trace)
            ended = moments.rfc3339(value.get("ended_at"))
            if value.get("error") or ended is not None or data.get("output") is not None:
                event.outcome, event.result = "error" if value.get("error") else "ok", data.get("output")
                event.error = value.get("error") or None
            event.ended = ended
            event.ext = kept(value, *_OWN, "ended_at")
            if more := kept(data, "type", "name", "input", "output"):
                event.ext = {**(event.ext or {}), "span_data": more}
        else:
            event = self.event(f"span.{kind}", span=identity, parent=parent or trace)
            event.error = value.get("error") or None
            event.ext = {**(kept(value, *_OWN) or {}), "span_data": data}
            event.intent = self.intent
        event.trace = trace
        self.spans.add(event, trace, identity, parent, agent=text_of(data, "name") if kind == "agent" else None)

    def end(self) -> None:
        """Nothing more comes: agents that stand in no span stay unknown."""
        self.spans.done()


READING: Final = OpenAIAgents
