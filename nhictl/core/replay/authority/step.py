"""One thing the fold sees, whichever source tells of it: a record of ours, or an event of a foreign log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core import times
from nhictl.core.replay import own
from nhictl.core.replay.authority.entities import Mark
from nhictl.core.replay.select import instant_us

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nhictl.core.replay.event import Event

    Content = Callable[[int, str], Any]

_UNREAD: Final = object()
_ENDED: Final = {"ok": "ok", "error": "error", "deny": "denied"}


class Step:
    """Members as in a record; None where the source does not say.

    - `seq` is the number of the record, None for a foreign event; `place` says where to find either: `{"seq"}`, with
      `file` if a file was read, or file, offset and length of a foreign one.
    - `us`: time in microseconds UTC; `outcome`: `ok`, `error`, `denied`, `not_executed`, `unknown`.
    - `actor`, `dec`, `ext`, `src`: objects, empty where there is none; `c`: commitments by label.
    - `foreign` is the event of a foreign log, None for a record of ours.
    - `opener` opens sealed content, `shown` is what was opened so far, or what a foreign event says by itself.
    """

    __slots__ = (
        "actor", "agent", "c", "call", "dec", "delegation", "evidence", "ext", "foreign", "inst", "jti", "op",
        "opener", "outcome", "parent", "place", "pspan", "run", "scope", "seq", "shown", "span", "src", "task",
        "time", "tok", "tool", "trace", "type", "us",
    )  # fmt: skip

    def __init__(self, kind: str, place: dict[str, Any]) -> None:
        self.type = kind
        self.place = place
        self.seq: int | None = None
        self.time: str | None = None
        self.us: int | None = None
        self.evidence = "recorded"
        self.outcome: str | None = None
        self.agent: str | None = None
        self.inst: str | None = None
        self.task: str | None = None
        self.run: str | None = None
        self.jti: str | None = None
        self.tok: str | None = None
        self.delegation: str | None = None
        self.parent: str | None = None
        self.span: str | None = None
        self.pspan: str | None = None
        self.op: str | None = None
        self.trace: str | None = None
        self.tool: str | None = None
        self.call: Any = None
        self.scope: str | None = None
        self.actor: Mapping[str, Any] = {}
        self.dec: Mapping[str, Any] = {}
        self.ext: Mapping[str, Any] = {}
        self.src: Mapping[str, Any] = {}
        self.c: Mapping[str, str] = {}
        self.foreign: Event | None = None
        self.opener: Content | None = None
        self.shown: dict[str, Any] = {}

    def content(self, label: str) -> Any:
        """Sealed content by label (`args`, `res`, `scope`, …); None if there is none, or it is erased or not at hand."""
        found = self.shown.get(label, _UNREAD)
        if found is _UNREAD:
            found = None
            if self.opener is not None and self.seq is not None and label in self.c:
                found = self.opener(self.seq, label)
                found = None if found is own.ERASED else found
            self.shown[label] = found
        return found

    def lacks(self, label: str) -> bool:
        """Whether the record commits to such content and it cannot be shown."""
        return label in self.c and self.content(label) is None

    @property
    def args(self) -> dict[str, Any] | None:
        """The arguments of a call."""
        found = self.content("args")
        return found if isinstance(found, dict) else None

    @property
    def resource(self) -> str | None:
        """The resource that the caller named."""
        found = self.content("res")
        return found if isinstance(found, str) else None

    def ref(self) -> dict[str, Any]:
        """Where it is to be found, its type, its time."""
        return {**self.place, "type": self.type, "time": self.time}

    def mark(self) -> Mark | None:
        """The same in little room; None for a foreign event."""
        return None if self.seq is None else Mark(self.us, self.seq, self.place.get("file"), self.type)

    @property
    def allowed(self) -> bool:
        """Whether this is a use of authority that was let pass, or that is told to have been made."""
        return self.type in ("token.used", "tool.called") and self.outcome not in ("denied", "not_executed")


def of_record(seq: int, record: Mapping[str, Any], content: Content | None, file: str | None = None) -> Step:
    """The step of a record; `content(seq, label)` opens sealed content, None where it cannot."""
    step = Step(record["type"], {"seq": seq} if file is None else {"file": file, "seq": seq})
    step.seq = seq
    step.time = record.get("ts")
    step.us = _instant(step.time)
    step.outcome = _ENDED.get(record.get("outcome", ""))
    step.src = record.get("src") or {}
    step.evidence = step.src.get("state") or "recorded"
    step.agent, step.inst, step.task = record.get("agent"), record.get("inst"), record.get("task")
    step.run = step.task
    step.jti, step.tok = record.get("jti"), record.get("tok")
    step.delegation, step.parent = record.get("del"), record.get("pdel")
    step.span, step.pspan, step.op = record.get("span"), record.get("pspan"), record.get("op")
    step.trace = record.get("trace")
    step.tool, step.call, step.scope = record.get("tool"), record.get("call"), record.get("scope")
    step.actor, step.dec = record.get("actor") or {}, record.get("dec") or {}
    step.ext, step.c = record.get("ext") or {}, record.get("c") or {}
    step.opener = content
    return step


def of_event(event: Event) -> Step:
    """The step of a foreign event; what it says of arguments, results and prompts stands under the labels of a record."""
    step = Step(event.type, dict(event.source or {}))
    step.foreign = event
    step.time, step.us = event.time, instant_us(event.time)
    step.evidence, step.outcome = event.evidence, event.outcome
    step.agent, step.inst, step.task, step.run = event.agent, event.inst, event.task, event.run
    step.jti, step.tool, step.call = event.jti, event.tool, event.call
    step.span, step.pspan, step.op = event.span, event.parent, event.op
    step.trace, step.ext = event.trace, event.ext or {}
    step.shown = {"args": event.args, "res": event.resource, "result": event.result, "principal": event.principal}
    if event.has_content:
        step.shown["prompt"] = event.content
    return step


def _instant(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return times.parse_rfc3339(text)
    except ValueError:
        return None
