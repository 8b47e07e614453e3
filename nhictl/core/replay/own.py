"""Our own log as events: a call and its result become one, sealed content is opened where it still can be.

Record shapes: reference/log.md §1. What cannot be shown is said in `unproven`, never filled in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.replay.event import Event
from nhictl.core.replay.gaps import Gaps
from nhictl.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Content = Callable[[int, str], Any]
    Reimport = Callable[..., list[Event]]
    Record = Mapping[str, Any]

_Key = tuple[str | None, str | None, str | None, str | None]
_OUTCOMES = {"ok": "ok", "error": "error", "deny": "denied"}
ERASED: Any = object()
"""What `content` answers for content that is known to be erased, None for what is not at hand."""

_SLOTS = {"args": "args", "result": "result", "principal": "principal", "res": "resource"}


class Replayed:
    """Events in the order of the records, and `unproven`: sentences naming what evidence is missing."""

    __slots__ = ("events", "unproven")

    def __init__(self, events: list[Event], unproven: list[str]) -> None:
        self.events = events
        self.unproven = unproven


def fold(records: Iterable[tuple[int, Record]], content: Content, reimport: Reimport | None = None) -> Replayed:
    """Turn records, each beside its `seq` and in the order of the log, into events.

    `content(seq, label)` opens sealed content, `ERASED` or None if it cannot; it is asked only for labels that the record
    commits to. `reimport(importer, data, run)` re-reads the source of a `log.imported` record, with the map as fourth
    argument if the record has one; its events follow that record. Where that fails with InputError, the record stands
    alone and `unproven` says why.

    `n` counts the `tool.called` records of a task in the records given, so give all of a task's records or none.
    """
    folding = _Fold(content, reimport)
    for seq, record in records:
        folding.add(seq, record)
    return folding.done()


def stream(
    records: Iterable[tuple[int, Record]], content: Content, reimport: Reimport | None = None,
    returned: Callable[[Event], None] | None = None,
) -> Iterator[Event]:  # fmt: skip
    """The same events as they come, in little memory: a call is handed on before its result is known, and told to `returned`
    once it is.
    """
    folding = _Fold(content, reimport, returned)
    for seq, record in records:
        folding.add(seq, record)
        yield from folding.events
        folding.events = []


class _Fold:
    def __init__(
        self, content: Content, reimport: Reimport | None, returned: Callable[[Event], None] | None = None
    ) -> None:
        self.returned = returned
        self.content = content
        self.reimport = reimport
        self.events: list[Event] = []
        self.gaps = Gaps()
        self.calls: dict[str | None, int] = {}
        self.open: dict[_Key, list[Event]] = {}

    def add(self, seq: int, record: Record) -> None:
        kind = record["type"]
        if kind == "tool.returned":
            called = self._called(record)
            if called is not None:
                self._returned(called, seq, record)
                if self.returned is not None:
                    self.returned(called)
                return
            self.gaps.results_without_call.append(seq)
        event = self._event(seq, record)
        self.events.append(event)
        if kind == "tool.called":
            self._call(event, seq, record)
        elif kind == "log.imported":
            self._imported(seq, record)

    def done(self) -> Replayed:
        for waiting in self.open.values():
            self.gaps.calls_without_result.extend(
                event.seq for event in waiting if event.seq is not None and event.outcome == "unknown"
            )
        return Replayed(self.events, self.gaps.sentences())

    def _event(self, seq: int, record: Record) -> Event:
        task = record.get("task")
        event = Event(
            record["type"],
            evidence=(record.get("src") or {}).get("state") or "recorded",
            time=record.get("ts"),
            run=task,
            agent=record.get("agent"),
            task=task,
            span=record.get("span"),
            parent=record.get("pspan"),
            tool=record.get("tool"),
            call=record.get("call"),
            outcome=_OUTCOMES.get(record.get("outcome", "")),
            decision=record.get("dec"),
            source=_source(record.get("src") or {}),
            ext=record.get("ext") or None,
        )
        event.seq = seq
        event.jti = record.get("jti")
        event.inst = record.get("inst")
        event.trace = record.get("trace")
        event.op = record.get("op")
        event.scope = record.get("scope")
        event.delegation = record.get("del")
        event.parent_delegation = record.get("pdel")
        self._open_content(event, seq, record)
        return event

    def _open_content(self, event: Event, seq: int, record: Record) -> None:
        for label in record.get("c") or {}:
            if label in ("source", "map"):
                continue
            value = self.content(seq, label)
            if value is None or value is ERASED:
                self.gaps.missing(label, seq)
                if value is ERASED:
                    event.ext = {**(event.ext or {}), "erased": [*(event.ext or {}).get("erased", ()), label]}
            elif label == "prompt":
                event.set_content(value)
            elif label in _SLOTS:
                setattr(event, _SLOTS[label], value)
            else:
                event.ext = {**(event.ext or {}), label: value}

    def _call(self, event: Event, seq: int, record: Record) -> None:
        """Number a call and, unless its outcome is in the record already, leave it open for its result."""
        event.n = self.calls.get(event.run, 0)
        self.calls[event.run] = event.n + 1
        if event.outcome == "denied":
            return
        if "result" in (record.get("c") or {}):
            event.ended, event.ended_seq = event.time, seq
            return
        if event.outcome != "error":
            event.outcome = "unknown"
        self.open.setdefault(_key(record), []).append(event)

    def _called(self, record: Record) -> Event | None:
        """Take the open call that this result belongs to: same task, same call id, the same tool if it names one; of several
        the one whose record it names.

        Without an id only a single open call of that tool and agent is certain enough.
        """
        key = _key(record)
        waiting = self.open.get(key, [])
        tool = record.get("tool")
        if record.get("call") is None and (tool is None or len(waiting) != 1):
            return None
        named = (record.get("ext") or {}).get("called")
        places = [place for place, event in enumerate(waiting) if tool is None or event.tool == tool]
        if not places:
            return None
        return waiting.pop(next((place for place in places if waiting[place].seq == named), places[0]))

    def _returned(self, called: Event, seq: int, record: Record) -> None:
        result = self._event(seq, record)
        called.result = result.result
        called.outcome = result.outcome or "unknown"
        if (record.get("ext") or {}).get("answered") is False:
            called.outcome = "unknown"
        if (record.get("ext") or {}).get("made") is False:
            called.outcome = "not_executed"
        called.ended, called.ended_seq = result.time, seq
        error = (record.get("ext") or {}).get("error")
        called.error = error if isinstance(error, str) else None
        told = dict(result.ext or {})
        if result.evidence != called.evidence:
            told["evidence"] = result.evidence
        if told:
            called.ext = {**(called.ext or {}), "returned": told}

    def _imported(self, seq: int, record: Record) -> None:
        source, ext = record.get("src") or {}, record.get("ext") or {}
        importer, run = source.get("imp"), ext.get("run")
        data = self.content(seq, "source")
        if not isinstance(data, bytes):
            self.gaps.note(f"record {seq}: the imported file is erased or not at hand, so its events are not shown")
        elif "file" in source and _digest(data) != source["file"]:
            self.gaps.note(f"record {seq}: the imported file is not the one whose digest the record names")
        elif self.reimport is None or not isinstance(importer, str) or not isinstance(run, str):
            self.gaps.note(f"record {seq}: nothing here reads the imported file again, so its events are not shown")
        else:
            try:
                mapping = self.content(seq, "map") if "map" in (record.get("c") or {}) else None
                self.events.extend(self.reimport(importer, data, run, *(() if mapping is None else (mapping,))))
            except InputError as e:
                self.gaps.note(f"record {seq}: the imported file cannot be read again: {e.message}")


def _key(record: Record) -> _Key:
    """By what a call and its result find each other: task and call id, without an id task, agent and tool."""
    call = record.get("call")
    if call is not None:
        return (record.get("task"), call, None, None)
    return (record.get("task"), None, record.get("agent"), record.get("tool"))


def _source(source: Record) -> dict[str, Any] | None:
    """Where a foreign record stood: digest of the file, offset and length in bytes."""
    kept = {name: source[name] for name in ("imp", "file", "off", "len") if name in source}
    return kept or None


def _digest(data: bytes) -> str:
    from hashlib import sha256

    return "sha256:" + sha256(data).hexdigest()
