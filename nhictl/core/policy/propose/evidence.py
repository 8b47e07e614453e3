"""What a log shows was done, counted by intent, tool and argument: the one input of a proposal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nhictl.core.replay.event import Event

__all__ = ["MAX_VALUES", "RESOURCE", "Argument", "Call", "Evidence", "Usage", "Value", "flatten", "place"]

RESOURCE: Final = "resource"
"""The path that a call's resource is counted under, beside `args.NAME`."""
MAX_VALUES: Final = 4096
"""Different values that are kept of an argument, and characters that are kept of a value; beyond that it is not pinned."""


class Call:
    """One call that counts. `place` names it for people: run and number of the call in it, or the record."""

    __slots__ = ("agent", "args", "error", "flat", "intent", "place", "resource", "run", "tool")

    def __init__(self, event: Event, intent: str | None, flat: dict[str, Any]) -> None:
        self.agent = event.agent
        self.args: dict[str, Any] = event.args or {}
        self.error = event.outcome == "error"
        self.flat = flat
        self.intent = intent
        self.place = place(event)
        self.resource = event.resource
        self.run = event.run
        self.tool: str = event.tool or ""


def place(event: Event) -> str:
    """What a call is called for people: run and number of the call in it, or the record."""
    return f"record {event.seq}" if event.seq is not None else f"{event.run}#{event.n}"


class Value:
    """One value of an argument in whatever spelling: calls that gave it, how many of them failed, the runs it stands in,
    and in how many calls it had stood before in what the person `asked` or was `found` in earlier results.
    """

    __slots__ = ("asked", "calls", "failed", "found", "runs", "spelt")

    def __init__(self) -> None:
        self.calls = 0
        self.failed = 0
        self.runs: set[str | None] = set()
        self.spelt: dict[tuple[str | None, Any], Any] = {}
        self.asked = 0
        self.found = 0


class Argument:
    """An argument of a tool as one intent used it, or as all did: how many calls gave it, in which runs, and its values.

    `complex` calls gave it something that no condition can read, `overflow` says that there were too many values to keep.
    A null and an empty list count as absent; an argument may be known by these alone (`empty`: how many empty lists).
    """

    __slots__ = ("calls", "complex", "empty", "listed", "overflow", "runs", "single", "values")

    def __init__(self) -> None:
        self.calls = 0
        self.complex = 0
        self.empty = 0
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
    refused, which show what a tool can be given.

    `results` are sizes of what went into a tool and came back, `asked` says that the log has what people asked for, and
    `unreadable` are calls that cannot be judged, by intent, tool and why.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.usage: dict[tuple[str | None, str], Usage] = {}
        self.known: dict[tuple[str, str], Argument] = {}
        self.results: dict[str, list[tuple[int, int]]] = {}
        self.refused: Counter[tuple[str | None, str]] = Counter()
        self.unreadable: dict[tuple[str | None, str, str], list[str]] = {}
        self.asked = False


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
