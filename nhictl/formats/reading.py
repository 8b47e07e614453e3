"""What every importer shares: records taken one by one, counted, given places and times, and let out as events.

An importer says what a record is; this says what becomes of one that it does not know (`opaque`), and of one that is
broken (`failed`): both are events with the file's digest, offset and length, and with what they say as given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from nhictl.core import strict_json
from nhictl.core.replay.event import Event
from nhictl.formats.calls import Calls
from nhictl.formats.imported import ForeignFormatError
from nhictl.formats.lines import lines
from nhictl.formats.problems import Problems
from nhictl.formats.surrogates import mended
from nhictl.formats.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MAX_DEPTH: Final = 200


class BrokenError(ValueError):
    """The record is of a known kind but broken; the message says how."""


class UnknownError(ValueError):
    """The record is of a kind the importer does not know."""


class Place(NamedTuple):
    """Where a record stands: bytes in the (unpacked) file, and how sentences call it."""

    offset: int
    length: int
    name: str


class Reading:
    """One file being read. `parsed`, `opaque`, `failed` and `problems` are complete when the events have ended.

    A format overrides `record` (and may set `run`, `agent`, `task`, … of the events to come). `by_time` is set by formats
    whose files are not in the order of request.
    """

    format: ClassVar[str]
    by_time: ClassVar[bool] = False
    agent: str | None = None
    task: str | None = None
    intent: str | None = None
    looks: str | None = None
    """The format that the file was recognised as, where another one was asked for."""

    def __init__(self, run: str, file: str, digest: Callable[[], str | None]) -> None:
        self.run: str | None = run
        self.file = file
        self.parsed = self.opaque = self.failed = 0
        self.calls = Calls()
        self.window = Window(by_time=self.by_time, gone=self.leave)
        self.place = Place(0, 0, "")
        self.time: str | None = None
        self.raw = b""
        self._digest = digest
        self._problems = Problems(file)

    @property
    def problems(self) -> list[str]:
        """Plain sentences about what is broken or missing."""
        return self._problems.sentences()

    def refusal(self) -> ForeignFormatError | None:
        """Why the file is not of this format after all, known at its end; None if any record was, or might be."""
        if self.parsed or not self.failed + self.opaque:
            return None
        hint = f"it looks like {self.looks}" if self.looks not in (None, self.format) else None
        if not self.opaque:
            why = f"no record of {self.format}: {self._problems.first()}"
            return ForeignFormatError(why, file=self.file, hint=hint)
        return None if hint is None else ForeignFormatError(f"no record of {self.format}", file=self.file, hint=hint)

    def events(self, chunks: Iterable[bytes]) -> Iterator[Event]:
        """Read the file as lines of JSON objects."""
        number = 0
        for number, line in enumerate(lines(chunks), 1):
            self.place = Place(line.offset, line.length, f"record {number}")
            if line.why is not None:
                self.fail(line.why, line.data.decode("utf-8", "backslashreplace"), line.digest)
            else:
                self.text(line.data)
            yield from self.window.leaving()
        self.end()
        yield from self.window.rest()
        if self.window.late:
            self.problem(f"too long to be put in order of time as a whole: {self.window.late} events come too late")

    def text(self, data: bytes) -> None:
        """Take one record as JSON text."""
        self.raw = data
        value = self.value(data)
        if value is not None:
            self.take(value)

    def value(self, data: bytes) -> Any:
        """What a JSON text says; None, and a failed record, if it is no strict JSON or says null."""
        try:
            value = self._loads(data)
        except strict_json.StrictJSONError as e:
            self.fail(f"not strict JSON, {e}", data.decode("utf-8", "backslashreplace"))
            return None
        if value is None:
            self.fail("not an object", None)
        return value

    def _loads(self, data: bytes) -> Any:
        try:
            return strict_json.loads(data, max_depth=MAX_DEPTH)
        except strict_json.SurrogateError:
            value = strict_json.loads(mended(data.decode()), max_depth=MAX_DEPTH)
            self.problem("half of a character, replaced by U+FFFD", at=True)
            return value

    def take(self, value: Any, record: Callable[[dict[str, Any]], None] | None = None) -> None:
        """Take one record and count it; `record` takes it in place of the method of that name."""
        self.time = None
        try:
            if not isinstance(value, dict):
                raise BrokenError("not an object")
            (record or self.record)(value)
        except BrokenError as e:
            self.fail(str(e), value)
        except UnknownError:
            self.opaque += 1
            self.aside("opaque", value)
        else:
            self.parsed += 1

    def record(self, value: dict[str, Any]) -> None:
        """Make events of one record; raise BrokenError or UnknownError otherwise."""
        raise NotImplementedError

    def leave(self, event: Event) -> None:
        """Told of each event that leaves: nothing can be said of it any more."""
        self.calls.forget(event)

    def end(self) -> None:
        """Whatever is to be done when the last record was read."""

    def fail(self, why: str, value: Any, digest: str | None = None) -> None:
        """Count a broken record and keep it as it is."""
        self.failed += 1
        self.problem(why, at=True)
        event = self.aside("failed", value)
        event.error = why
        if digest is not None and event.source is not None:
            event.source["record_sha256"] = digest

    def aside(self, kind: str, value: Any) -> Event:
        """A record that tells no more than that it is there: with the file's digest, beside offset and length."""
        event = self.event(kind)
        if event.source is not None and (known := self._digest()) is not None:
            event.source["sha256"] = known
        event.set_content(value)
        return event

    def event(self, kind: str, *, span: str | None = None, parent: str | None = None) -> Event:
        """An event of the record at hand."""
        event = Event(
            kind, evidence="imported", time=self.time, run=self.run, agent=self.agent, task=self.task, span=span,
            parent=parent, source={"file": self.file, "offset": self.place.offset, "length": self.place.length},
        )  # fmt: skip
        self.window.add(event, self.place.length)
        return event

    def call(self, tool: Any, args: Any, identity: Any, *, span: str | None = None, parent: str | None = None) -> Event:
        """A call that was asked for; how it ended is unknown until a result says so."""
        event = self.event("tool.called", span=span, parent=parent)
        event.tool = tool if isinstance(tool, str) else None
        event.args = args
        event.call = identity
        event.outcome = "unknown"
        event.intent = self.intent
        return event

    def ended(self, event: Event, outcome: str, result: Any, error: Any = None) -> None:
        """Give a call its result."""
        event.outcome, event.result, event.error = outcome, result, error
        event.ended = self.time
        if event.source is not None and event.source.get("offset") != self.place.offset:
            event.source["result_offset"] = self.place.offset

    def problem(self, why: str, *, at: bool = False) -> None:
        """Note a problem, with the place of the record at hand if asked."""
        self._problems.note(why, self.place.name if at else None)


def text_of(value: Any, name: str) -> str | None:
    """A member of an object, if it is a text that says something."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) and found else None


def decoded(value: Any) -> Any:
    """Arguments given as JSON text, as the object they are; anything else as it is given."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return strict_json.loads(value, max_depth=MAX_DEPTH)
        except strict_json.StrictJSONError:
            return value
    return value


def kept(value: dict[str, Any], *without: str) -> dict[str, Any] | None:
    """The members that have no field of their own; None if there is none."""
    return {name: member for name, member in value.items() if name not in without} or None
