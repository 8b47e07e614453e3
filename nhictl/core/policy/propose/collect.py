"""From events to evidence: which calls count, and where their values came from.

A call counts if the evidence says that it was made and nothing says that it was denied: a refused or never executed call
is no precedent. Labels that a foreign log carries about its runs (`ext`) are not read. What a person asked for (messages
of the user, prompts) and what earlier results of the same run said tell where a value comes from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core.policy.propose import shapes
from nhictl.core.policy.propose.evidence import (
    MAX_VALUES,
    RESOURCE,
    Argument,
    Call,
    Evidence,
    Usage,
    Value,
    flatten,
    place,
)
from nhictl.core.policy.types import ArgType, Refused, scalar_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nhictl.core.replay.event import Event

__all__ = ["collect"]

MAX_TEXT: Final = 1 << 18
"""Characters of prompts, and of results, that are kept of a run to look for values in."""
MAX_LOOKS: Final = 32
MAX_PLACES: Final = 3
MAX_SIZES: Final = 1000
_ANY: Final = ArgType("any")
_REFUSED: Final = frozenset({"denied", "not_executed"})
_USES: Final = frozenset({"token.used", "token.denied"})
_ERASED: Final = "its arguments are erased or not at hand"
_NO_CALL: Final = "it names no tool, or its arguments are no object"


class _Run:
    """What was said in one run so far."""

    __slots__ = ("asked", "found", "room")

    def __init__(self) -> None:
        self.asked = ""
        self.found: list[str] = []
        self.room = MAX_TEXT


def collect(events: Sequence[Event]) -> Evidence:
    """Count the calls among events, each run's in the order they were made.

    Beside `tool.called` the record of a token that was used for a call counts, or refused, unless the call itself is
    recorded, too.
    """
    made = Evidence()
    said: dict[str | None, _Run] = {}
    intents: dict[str, str] = {}
    told = {_same(event) for event in events if event.type == "tool.called" and event.seq is not None}
    for event in events:
        heard = said.setdefault(event.run, _Run())
        if event.type == "tool.called" or (event.type in _USES and event.tool and _same(event) not in told):
            _add(made, event, event.intent or intents.get(event.task or ""), heard)
            _hear(heard, event.result)
        elif event.type == "task.opened" and event.task and isinstance((event.ext or {}).get("intent"), str):
            intents[event.task] = (event.ext or {})["intent"]
        if event.has_content and (event.type == "message.user" or event.seq is not None):
            made.asked = True
            heard.asked = (heard.asked + "\n" + _text(event.content))[:MAX_TEXT]
    return made


def _same(event: Event) -> tuple[str | None, str | None, str]:
    """What a call and the use of a token for it have in common."""
    return event.run, event.tool, repr(event.args)


def _hear(heard: _Run, result: Any) -> None:
    text = _text(result)[: heard.room]
    if text:
        heard.found.append(text)
        heard.room -= len(text)


def _text(value: Any) -> str:
    """All strings in a JSON value, a line each, without recursion."""
    if isinstance(value, str):
        return value
    found: list[str] = []
    open_: list[Any] = [value]
    while open_:
        item = open_.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, dict):
            open_.extend(reversed([v for k, v in item.items() if k != "type"]))
        elif isinstance(item, list):
            open_.extend(reversed(item))
    return "\n".join(found)


def _add(made: Evidence, event: Event, intent: str | None, heard: _Run) -> None:
    refused = event.outcome in _REFUSED or "deny" in (
        (event.decision or {}).get(name) for name in ("effect", "decision")
    )
    erased = event.args is None and event.seq is not None
    if not event.tool or erased or not isinstance(event.args or {}, dict):
        if refused:
            made.refused[intent, event.tool or "?"] += 1
        else:
            why = _ERASED if erased else _NO_CALL
            made.unreadable.setdefault((intent, event.tool or "?", why), []).append(place(event))
        return
    call = Call(event, intent, flatten(event.args or {}))
    if isinstance(event.resource, str):
        call.flat[RESOURCE] = event.resource
    usage = None
    if refused:
        made.refused[intent, call.tool] += 1
    else:
        made.calls.append(call)
        usage = _use(made, call, event.result)
    for name, value in call.args.items():
        if value is None or value == []:
            empty = made.known.setdefault((call.tool, f"args.{name}"), Argument())
            empty.empty += value == []
    for path, value in call.flat.items():
        _count(made.known.setdefault((call.tool, path), Argument()), call, value, heard)
        if usage is not None:
            _count(usage.arguments.setdefault(path, Argument()), call, value, heard)


def _use(made: Evidence, call: Call, result: Any) -> Usage:
    usage = made.usage.setdefault((call.intent, call.tool), Usage())
    usage.calls += 1
    usage.errors += call.error
    usage.runs.add(call.run)
    usage.agents.add(call.agent)
    if len(usage.places) < MAX_PLACES:
        usage.places.append(call.place)
    sizes = made.results.setdefault(call.tool, [])
    if len(sizes) < MAX_SIZES and not call.error:
        sizes.append((sum(len(str(value)) for value in call.flat.values()), len(_text(result))))
    return usage


def _count(argument: Argument, call: Call, value: Any, heard: _Run) -> None:
    argument.calls += 1
    argument.runs.add(call.run)
    elements = value if isinstance(value, list) else [value]
    argument.listed += isinstance(value, list)
    argument.single += not isinstance(value, list)
    if any(not _comparable(element) for element in elements):
        argument.complex += 1
        return
    for element in elements:
        name = shapes.key(element)
        if name not in argument.values and len(argument.values) >= MAX_VALUES:
            argument.overflow = True
            continue
        found = argument.values.setdefault(name, Value())
        found.calls += 1
        found.failed += call.error
        found.runs.add(call.run)
        found.spelt.setdefault((scalar_kind(element), element), element)
        if element != "" and not isinstance(element, bool):
            told = element if isinstance(element, str) else str(element)
            found.asked += _holds(heard.asked, told)
            found.found += any(_holds(text, told) for text in heard.found)


def _comparable(element: Any) -> bool:
    """Whether a condition can read the value: a scalar that has a normal form, of bounded size."""
    try:
        _ANY.normal(element)
    except Refused:
        return False
    return not isinstance(element, str) or len(element) <= MAX_VALUES


def _holds(text: str, value: str) -> bool:
    """Whether `value` stands in `text` as a word of its own."""
    at = text.find(value)
    for _ in range(MAX_LOOKS):
        if at < 0:
            break
        end = at + len(value)
        if not (at and text[at - 1].isalnum()) and not (end < len(text) and text[end].isalnum()):
            return True
        at = text.find(value, at + 1)
    return False
