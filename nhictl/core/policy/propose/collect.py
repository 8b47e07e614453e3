"""From events to evidence: which calls count, and where their values came from.

A call counts if the evidence says that it was made and nothing says that it was denied: a refused or never executed call
is no precedent. Labels that a foreign log carries about its runs (`ext`) are not read. What a person asked for (messages
of the user, prompts) and what earlier results of the same run said tell where a value comes from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core.ledger import mask
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
_MASKED: Final = "arguments that were masked are not what was called with"
_ERASED: Final = "its arguments are erased or not at hand"
_NO_CALL: Final = "it names no tool, or its arguments are no object"


class _Run:
    """What was said in one run so far, and of the values asked about, where looking for them has to go on.

    A text is looked through once for a value, however often the value comes.
    """

    __slots__ = ("asked", "found", "prompts", "results", "room")

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.results: list[str] = []
        self.room = {"prompts": MAX_TEXT, "results": MAX_TEXT}
        self.asked: dict[str, int] = {}
        self.found: dict[str, int] = {}

    def hear(self, kind: str, value: Any) -> None:
        """Keep the text of a prompt or result, as far as there is room."""
        text = _text(value)[: self.room[kind]]
        if text:
            getattr(self, kind).append(text)
            self.room[kind] -= len(text)

    def origin(self, value: Any) -> tuple[bool, bool]:
        """Whether the person had asked with this value, and whether it was found in earlier results."""
        if value == "" or isinstance(value, bool):
            return False, False
        told = value if isinstance(value, str) else str(value)
        return _look(told, self.prompts, self.asked), _look(told, self.results, self.found)


def _look(value: str, texts: list[str], known: dict[str, int]) -> bool:
    """Whether a text holds the value; `known` has the number of texts looked through, -1 once it was found."""
    at = known.get(value, 0)
    while 0 <= at < len(texts):
        at = -1 if _holds(texts[at], value) else at + 1
    known[value] = at
    return at < 0


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
            heard.hear("results", event.result)
        elif event.type == "task.opened" and event.task and isinstance((event.ext or {}).get("intent"), str):
            intents[event.task] = (event.ext or {})["intent"]
        if event.has_content and (event.type == "message.user" or event.seq is not None):
            made.asked = True
            heard.hear("prompts", event.content)
    return made


def _same(event: Event) -> tuple[str | None, str | None, str]:
    """What a call and the use of a token for it have in common."""
    return event.run, event.tool, repr(event.args)


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
    masked = event.seq is not None and (event.ext or {}).get("masked") and mask.holds([event.args, event.resource])
    erased = masked or (event.args is None and event.seq is not None)
    if not event.tool or erased or not isinstance(event.args or {}, dict):
        if refused:
            made.refused[intent, event.tool or "?"] += 1
        else:
            why = _MASKED if masked else _ERASED if erased else _NO_CALL
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
        elements = value if isinstance(value, list) else [value]
        plain = all(_comparable(element) for element in elements)
        seen = [(shapes.key(element), element, *heard.origin(element)) for element in elements] if plain else None
        counted = [made.known.setdefault((call.tool, path), Argument())]
        if usage is not None:
            counted.append(usage.arguments.setdefault(path, Argument()))
        for argument in counted:
            _count(argument, call, seen, listed=isinstance(value, list))


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


def _count(argument: Argument, call: Call, seen: list[tuple[Any, Any, bool, bool]] | None, *, listed: bool) -> None:
    """Add what one call gave: each element with its key and where it came from, None if no condition can read it."""
    argument.calls += 1
    argument.runs.add(call.run)
    argument.listed += listed
    argument.single += not listed
    argument.complex += seen is None
    for key, element, asked, found in seen or ():
        value = argument.values.get(key)
        if value is None:
            if len(argument.values) >= MAX_VALUES:
                argument.overflow = True
                continue
            value = argument.values[key] = Value()
        value.calls += 1
        value.failed += call.error
        value.runs.add(call.run)
        value.spelt.setdefault((scalar_kind(element), element), element)
        value.asked += asked
        value.found += found


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
