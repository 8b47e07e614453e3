"""Runs recorded by AgentDojo: one JSON object a file, one record a message, no times.

`{suite_name, pipeline_name, user_task_id, injection_task_id, attack_type, injections, messages, utility, security,
duration, …}`; a message is `{role, content}` and, by role, `tool_calls [{function, args, id}]` (assistant) or
`{tool_call_id, tool_call, error}` (tool). Agent is `pipeline_name`, task and intent are `suite_name/user_task_id`.
Everything else is a label of the benchmark: kept in `ext`, never used to decide.

Spans: `run`, then `m<i>` for message i, then `m<i>.<j>` for its call j. Source: reference/replay.md §1.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from nhictl.core import strict_json
from nhictl.core.replay.event import Event
from nhictl.formats.agentdojo_pairing import canonical, pair
from nhictl.formats.imported import ForeignFormatError, Imported
from nhictl.formats.json_head import LIST, CutError, members
from nhictl.formats.reading import Reading
from nhictl.formats.unpacked import CutShortError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_BYTES: Final = 64 << 20
MAX_DEPTH: Final = 200
_IDENTITY: Final = ("suite_name", "pipeline_name", "user_task_id")
_MESSAGES: Final = frozenset({"system", "user", "assistant"})
_CALL_KEYS: Final = frozenset({"function", "args", "id"})
_RESULT_KEYS: Final = frozenset({"role", "content", "tool_call_id", "tool_call", "error"})


def looks_like(head: bytes) -> bool:
    """Whether a file beginning so is a run: two of its three names are texts and, if reached, `messages` is a list."""
    try:
        found = members(head)
    except CutError:
        return False
    named = sum(isinstance(found.get(name), str) for name in _IDENTITY)
    return named >= 2 and found.get("messages", LIST) is LIST and ("messages" in found or found.cut)


class AgentDojo(Reading):
    """One run: read as a whole, ForeignFormatError naming the file where it is not strict JSON or not a run."""

    format = "agentdojo"

    def refusal(self) -> ForeignFormatError | None:
        """None: what is no run was refused while it was read."""
        return None

    def events(self, chunks: Iterable[bytes]) -> Iterator[Event]:
        """Read the run."""
        data = b""
        try:
            for chunk in chunks:
                data += chunk
                if len(data) > MAX_BYTES:
                    break
        except CutShortError as e:
            raise ForeignFormatError(str(e), file=self.file) from e
        assert self.run is not None  # noqa: S101 - the name it was given
        made = _Reader(_parse(data, self.file), self.run, self.file, hashlib.sha256(data).hexdigest()).read()
        self.parsed, self.opaque, self.failed = made.parsed, made.opaque, made.failed
        for sentence in made.problems:
            self.problem(sentence)
        yield from made.events


def _parse(data: bytes, file: str) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise ForeignFormatError(f"larger than {MAX_BYTES >> 20} MiB", file=file)
    try:
        value = strict_json.loads(data, max_depth=MAX_DEPTH)
    except strict_json.StrictJSONError as e:
        raise ForeignFormatError(f"not strict JSON: {e}", file=file, line=e.line, column=e.column) from e
    why = None
    if not isinstance(value, dict):
        why = "the text is not an object"
    elif not isinstance(value.get("messages"), list):
        why = "it has no list `messages`"
    elif not any(isinstance(value.get(name), str) for name in _IDENTITY):
        why = "it names no `suite_name`, `pipeline_name` or `user_task_id`"
    if why is not None:
        raise ForeignFormatError(f"not an agentdojo run: {why}", file=file)
    assert isinstance(value, dict)  # noqa: S101 - for the type checker
    return value


class _Reader:
    """One pass over the messages; results are given to the calls before that asked for them."""

    def __init__(self, value: dict[str, Any], run: str, file: str, digest: str) -> None:
        self.value = value
        self.run = run
        self.file = file
        self.digest = digest
        self.problems: list[str] = []
        self.events: list[Event] = []
        self.parsed = self.opaque = self.failed = 0
        self.calls = 0
        names = {name: value[name] for name in _IDENTITY if isinstance(value.get(name), str)}
        for name in _IDENTITY:
            if name not in names:
                self.problems.append(f"`{name}` is missing or not a text")
        self.agent: str | None = names.get("pipeline_name")
        known = "suite_name" in names and "user_task_id" in names
        self.task: str | None = f"{names['suite_name']}/{names['user_task_id']}" if known else None

    def read(self) -> Imported:
        start = self._event("run", span="run", parent=None, source={"file": self.file, "sha256": self.digest})
        start.intent = self.task
        start.ext = {name: kept for name, kept in self.value.items() if name != "messages"} or None
        messages: list[Any] = self.value["messages"]
        given = pair(messages)
        for index, message in enumerate(messages):
            role = message.get("role") if isinstance(message, dict) else None
            if not isinstance(role, str):
                self._unreadable(index, message, "is not an object with a text `role`")
            elif role == "tool":
                self.parsed += 1
                if index not in given.owners:
                    self._orphan(index, message)
            elif role in _MESSAGES:
                self._message(index, message, role, given.results)
            else:
                self.opaque += 1
                self._opaque(index, message, "opaque")
        return Imported(
            "agentdojo", self.events, parsed=self.parsed, opaque=self.opaque, failed=self.failed, problems=self.problems
        )

    def _event(self, kind: str, *, span: str, parent: str | None, source: dict[str, Any]) -> Event:
        event = Event(
            kind,
            evidence="imported",
            run=self.run,
            agent=self.agent,
            task=self.task,
            span=span,
            parent=parent,
            source=source,
        )
        self.events.append(event)
        return event

    def _unreadable(self, index: int, message: Any, why: str) -> None:
        self.failed += 1
        self.problems.append(f"message {index} {why}")
        self._opaque(index, message, "failed")

    def _opaque(self, index: int, message: Any, kind: str) -> None:
        source = {"file": self.file, "sha256": self.digest, "message": index}
        self._event(kind, span=f"m{index}", parent="run", source=source).set_content(message)

    def _message(self, index: int, message: dict[str, Any], role: str, results: dict[tuple[int, int], int]) -> None:
        event = self._event(
            f"message.{role}", span=f"m{index}", parent="run", source={"file": self.file, "message": index}
        )
        if "content" in message:
            event.set_content(message["content"])
        own = {"role", "content"}
        calls = message.get("tool_calls") if role == "assistant" else None
        whole = calls is None or isinstance(calls, list)
        if whole and role == "assistant":
            own.add("tool_calls")
        event.ext = {name: kept for name, kept in message.items() if name not in own} or None
        if not whole:
            self.problems.append(f"message {index}: `tool_calls` is not a list")
        for position, call in enumerate(calls if isinstance(calls, list) else ()):
            whole = self._call(index, position, call, results.get((index, position))) and whole
        self.parsed += whole
        self.failed += not whole

    def _call(self, index: int, position: int, call: Any, result: int | None) -> bool:
        """Add one requested call; tell whether it was readable. One that is not still counts: it was requested."""
        source: dict[str, Any] = {"file": self.file, "message": index}
        event = self._event("tool.called", span=f"m{index}.{position}", parent=f"m{index}", source=source)
        event.n = self.calls
        self.calls += 1
        event.intent = self.task
        event.outcome = "not_executed"
        ext: dict[str, Any] = {}
        asked = call if isinstance(call, dict) else {}
        readable = isinstance(asked.get("function"), str)
        if readable:
            event.tool = asked["function"]
            event.call = asked.get("id")
            event.args = asked.get("args")
            ext.update((name, kept) for name, kept in asked.items() if name not in _CALL_KEYS)
        else:
            ext["tool_call"] = call
            self.problems.append(f"message {index}: call {position} names no `function`")
        if result is not None:
            source["result"] = result
            told = self._returned(event, self.value["messages"][result], asked)
            if told:
                ext["result"] = told
        event.ext = ext or None
        return readable

    def _returned(self, event: Event, message: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
        """Give `event` its result; return what the result message says besides."""
        event.result = message.get("content")
        event.error = message.get("error")
        event.outcome = "error" if event.error else "ok"
        told = {name: kept for name, kept in message.items() if name not in _RESULT_KEYS}
        if (message.get("tool_call_id") or None) != (asked.get("id") or None):
            told["tool_call_id"] = message.get("tool_call_id")
        echo = message.get("tool_call")
        if echo is not None and not _same(echo, asked):
            told["tool_call"] = echo
        return told

    def _orphan(self, index: int, message: dict[str, Any]) -> None:
        """A result that no call fits: its own event, parent unknown."""
        source = {"file": self.file, "message": index}
        event = self._event("tool.returned", span=f"m{index}", parent=None, source=source)
        echo = message.get("tool_call")
        if isinstance(echo, dict):
            event.tool = echo["function"] if isinstance(echo.get("function"), str) else None
            event.args = echo.get("args")
        event.call = message.get("tool_call_id")
        event.ext = {k: v for k, v in message.items() if k not in _RESULT_KEYS or k == "tool_call"} or None
        self._returned(event, message, {})
        self.problems.append(f"message {index} is a result that no call fits")


READING: Final = AgentDojo


def _same(echo: Any, asked: dict[str, Any]) -> bool:
    return canonical(echo) == canonical(asked)
