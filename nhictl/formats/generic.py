"""Any log of JSON records, one a line or the elements of a list, with a map that says what is what (`--map FILE`).

A map is a strict YAML document:

    nhictl_map: 1
    list: events                  # of the member that holds the records; without it lines, or a text that is a list
    by_time: true                 # the file is not in the order of request
    fields:                       # of every event
      run: session.id             # a path: members separated by `.`, numbers for places in a list,
      agent: [labels, bot.name]   # or its parts in a list, where a name has a dot in it
      time: {path: ts, unit: ms}  # s, ms, us or ns since 1970; without `unit` RFC 3339
    rules:                        # the first that fits a record; one that none fits is opaque
      - when: {kind: call}        # every path equals the value, or one of a list; `{present: true}` asks for being there
        type: tool.called
        fields: {tool: name, args: {json: params}, call: id}      # `json`: a text that holds JSON
      - when: {kind: done}
        type: tool.returned       # goes to the call with the same `call`
        fields: {call: id, result: output, outcome: {path: status, is: {good: ok, bad: error}}}
      - when: {kind: [prompt, answer]}
        type: message.user        # message.* and note.* are free
        fields: {content: text, principal: {const: operator}}

Fields are `time run agent task intent principal inst resource jti trace span parent tool call args result error outcome
content`. Paths that lead nowhere leave a field unknown; what a rule does not use is kept in `ext`. A result without an
`outcome` is `error` if its `error` says anything, else `ok`; a value that `is` does not list is `unknown`.
Source: reference/replay.md §1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.errors import InputError
from nhictl.formats import moments
from nhictl.formats.documents import DocumentReading
from nhictl.formats.generic_map import Field, Map, Rule, at, parse
from nhictl.formats.reading import BrokenError, UnknownError, decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nhictl.core.replay.event import Event

_TEXTS: Final = ("agent", "task", "intent", "inst", "jti", "trace")


def claims(_record: Mapping[str, Any]) -> bool:
    """Never: only a map says what is what."""
    return False


class Generic(DocumentReading):
    """A file read by a map."""

    format = "generic"
    lists: tuple[str, ...] = ()

    def __init__(self, run: str, file: str, digest: Callable[[], str | None], mapping: bytes | None) -> None:
        if mapping is None:
            raise InputError("the format `generic` needs a map", hint="--map FILE; nhictl audit replay --help")
        self.map: Map = parse(mapping)
        super().__init__(run, file, digest)
        self.file_run = run
        self.window.by_time = self.map.by_time
        self.lists = self.map.lists

    def record(self, value: dict[str, Any]) -> None:
        """Take one record by the first rule that fits it."""
        rule = next((rule for rule in self.map.rules if rule.fits(value)), None)
        if rule is None:
            raise UnknownError
        said = {name: _read(field, value) for name, field in rule.fields.items()}
        self.time = said.get("time")
        run = said.get("run")
        self.run = str(run) if isinstance(run, str | int) else self.file_run
        if rule.type == "tool.called":
            event = self._called(said)
        elif rule.type == "tool.returned":
            event = self._returned(said)
        else:
            event = self.event(rule.type, span=_text(said.get("span")), parent=_text(said.get("parent")))
            event.tool, event.error = _text(said.get("tool")), said.get("error")
        for name in _TEXTS:
            if (given := _text(said.get(name))) is not None and getattr(event, name) is None:
                setattr(event, name, given)
        for name in ("principal", "resource"):
            if said.get(name) is not None:
                setattr(event, name, said[name])
        if said.get("content") is not None:
            event.set_content(said["content"])
        self._rest(event, rule, value)

    def _called(self, said: dict[str, Any]) -> Event:
        if not isinstance(said.get("tool"), str):
            raise BrokenError("the tool is missing or not a text")
        event = self.call(said["tool"], said.get("args"), said.get("call"),
                          span=_text(said.get("span")), parent=_text(said.get("parent")))  # fmt: skip
        if any(said.get(name) is not None for name in ("result", "outcome", "error")):
            self._end(event, said)
        self.calls.add((self.run, said.get("call")), event)
        return event

    def _returned(self, said: dict[str, Any]) -> Event:
        call = self.calls.find((self.run, said.get("call")), "result")
        if call is None:
            event = self.event("tool.returned", span=_text(said.get("span")), parent=_text(said.get("parent")))
            event.call, event.tool = said.get("call"), _text(said.get("tool"))
            self.problem("a result that no call fits", at=True)
        else:
            event = call.event
        self._end(event, said)
        return event

    def _end(self, event: Event, said: dict[str, Any]) -> None:
        outcome = said.get("outcome") or ("error" if said.get("error") else "ok")
        self.ended(event, outcome, said.get("result"), said.get("error"))

    def _rest(self, event: Event, rule: Rule, value: dict[str, Any]) -> None:
        """Keep the top-level members that no field or condition reads."""
        rest = {name: member for name, member in value.items() if name not in rule.used}
        if rest:
            name = "returned" if rule.type == "tool.returned" and event.type == "tool.called" else None
            event.ext = {**(event.ext or {}), **({name: rest} if name else rest)}


def _read(field: Field, value: dict[str, Any]) -> Any:
    if field.path is None:
        return field.const
    found = at(value, field.path)
    if field.json:
        return decoded(found)
    if field.unit is not None:
        return moments.rfc3339(found) if field.unit == "rfc3339" else moments.since_epoch(found, field.unit)
    if field.words is None:
        return found
    return None if found is None else field.words.get(_word(found), "unknown")


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


READING: Final = Generic
