"""What a log shows was done, counted by intent, tool and argument: the one input of a proposal.

A call counts if the evidence says that it was made and nothing says that it was denied: a refused or never executed call
is no precedent. Labels that a foreign log carries about its runs (`ext`) are not read. What a person asked for (messages
of the user, prompts) and what earlier results of the same run said tell where a value comes from.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from nhictl.core.policy.propose import shapes
from nhictl.core.policy.types import ArgType, Refused, scalar_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nhictl.core.replay.event import Event

__all__ = ["RESOURCE", "Argument", "Call", "Evidence", "Usage", "collect"]

RESOURCE: Final = "resource"
"""The path that a call's resource is counted under, beside `args.NAME`."""
MAX_TEXT: Final = 1 << 18
"""Characters of prompts, and of results, that are kept of a run to look for values in."""
MAX_VALUES: Final = 4096
"""Different values that are kept of an argument, and characters that are kept of a value; beyond that it is not pinned."""
MAX_LOOKS: Final = 32
_ANY: Final = ArgType("any")
_REFUSED: Final = frozenset({"denied", "not_executed"})
MAX_PLACES: Final = 3


class Call:
    """One call that counts. `place` names it for people: run and number of the call in it, or the record."""

    __slots__ = ("agent", "args", "error", "flat", "intent", "place", "resource", "run", "tool")

    def __init__(self, event: Event, intent: str | None, flat: dict[str, Any]) -> None:
        self.agent = event.agent
        self.args: dict[str, Any] = event.args or {}
        self.error = event.outcome == "error"
        self.flat = flat
        self.intent = intent
        self.place = _place(event)
        self.resource = event.resource
        self.run = event.run
        self.tool: str = event.tool or ""


def _place(event: Event) -> str:
    return f"record {event.seq}" if event.seq is not None else f"{event.run}#{event.n}"


class Value:
    """One value of an argument in whatever spelling: calls, the runs it stands in, and where it was seen before."""

    __slots__ = ("asked", "calls", "found", "runs", "spelt")

    def __init__(self) -> None:
        self.calls = 0
        self.runs: set[str | None] = set()
        self.spelt: dict[tuple[str | None, Any], Any] = {}
        self.asked = 0
        self.found = 0


class Argument:
    """An argument of a tool as one intent used it, or as all did: how many calls gave it, in which runs, and its values.

    `complex` calls gave it something that no condition can read, `overflow` says that there were too many values to keep.
    """

    __slots__ = ("calls", "complex", "listed", "overflow", "runs", "single", "values")

    def __init__(self) -> None:
        self.calls = 0
        self.complex = 0
        self.overflow = False
        self.listed = 0
        self.single = 0
        self.runs: set[str | None] = set()
        self.values: dict[Any, Value] = {}

    def novelty(self) -> float:
        """The share of runs that brought a value of their own, which estimates how likely the next one does.

        That is Good and Turing's estimate of what was not seen yet: values seen in one run only, per run.
        """
        if self.overflow:
            return 1.0
        alone = sum(len(value.runs) == 1 for value in self.values.values())
        return alone / len(self.runs) if self.runs else 1.0


class Usage:
    """One tool as one intent used it."""

    __slots__ = ("agents", "arguments", "calls", "errors", "places", "runs")

    def __init__(self) -> None:
        self.calls = 0
        self.errors = 0
        self.runs: set[str | None] = set()
        self.agents: set[str | None] = set()
        self.places: list[str] = []
        self.arguments: dict[str, Argument] = {}


class Evidence:
    """Calls in order, usage by (intent, tool), and arguments by tool over all intents and also over calls that were
    refused, which show what a tool can be given. `unreadable` are calls that cannot be judged, by intent, tool and why.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.usage: dict[tuple[str | None, str], Usage] = {}
        self.known: dict[tuple[str, str], Argument] = {}
        self.results: dict[str, list[tuple[int, int]]] = {}
        self.refused: Counter[tuple[str | None, str]] = Counter()
        self.unreadable: dict[tuple[str | None, str, str], list[str]] = {}
        self.runs: dict[str | None, None] = {}


class _Run:
    """What was said in one run so far."""

    __slots__ = ("asked", "found", "room")

    def __init__(self) -> None:
        self.asked = ""
        self.found: list[str] = []
        self.room = MAX_TEXT


def collect(events: Sequence[Event]) -> Evidence:
    """Count the calls among events, each run's in the order they were made.

    Beside `tool.called` a used token's record counts, where no record says that the call itself was made.
    """
    made = Evidence()
    said: dict[str | None, _Run] = {}
    intents: dict[str, str] = {}
    told = {_same(event) for event in events if event.type == "tool.called" and event.seq is not None}
    for event in events:
        heard = said.setdefault(event.run, _Run())
        if event.type == "tool.called" or (event.type == "token.used" and event.tool and _same(event) not in told):
            made.runs.setdefault(event.run)
            _add(made, event, event.intent or intents.get(event.task or ""), heard)
            _hear(heard, event.result)
        elif event.type == "task.opened" and event.task and isinstance((event.ext or {}).get("intent"), str):
            intents[event.task] = (event.ext or {})["intent"]
        if event.has_content and (event.type == "message.user" or event.seq is not None):
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
    erased = event.args is None and event.seq is not None
    if not event.tool or erased or not isinstance(event.args or {}, dict):
        why = "its arguments are erased or not at hand" if erased else "it names no tool, or its arguments are no object"
        made.unreadable.setdefault((intent, event.tool or "?", why), []).append(_place(event))
        return
    call = Call(event, intent, flatten(event.args or {}))
    if isinstance(event.resource, str):
        call.flat[RESOURCE] = event.resource
    refused = event.outcome in _REFUSED or (event.decision or {}).get("decision") == "deny"
    usage = None
    if refused:
        made.refused[intent, call.tool] += 1
    else:
        made.calls.append(call)
        usage = made.usage.setdefault((intent, call.tool), Usage())
        usage.calls += 1
        usage.errors += call.error
        usage.runs.add(call.run)
        usage.agents.add(call.agent)
        if len(usage.places) < MAX_PLACES:
            usage.places.append(call.place)
        sizes = made.results.setdefault(call.tool, [])
        if len(sizes) < 1000 and not call.error:
            sizes.append((sum(len(str(value)) for value in call.flat.values()), len(_text(event.result))))
    for path, value in call.flat.items():
        _count(made.known.setdefault((call.tool, path), Argument()), call, value, heard)
        if usage is not None:
            _count(usage.arguments.setdefault(path, Argument()), call, value, heard)


def flatten(args: dict[str, Any]) -> dict[str, Any]:
    """Dotted paths to what the arguments hold, nulls and empty lists left out: they count as absent."""
    flat: dict[str, Any] = {}
    level: list[tuple[str, Any, int]] = [("args.", args, 0)]
    while level:
        prefix, value, depth = level.pop()
        for name, item in value.items():
            if isinstance(item, dict) and item and depth < 8:
                level.append((f"{prefix}{name}.", item, depth + 1))
            elif item is not None and item != []:
                flat[prefix + name] = item
    return flat


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
