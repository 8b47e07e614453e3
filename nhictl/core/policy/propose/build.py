"""Evidence to entries: for each intent and tool the conditions that cover what was seen, and what they rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.propose import roles, shapes
from nhictl.core.policy.propose.evidence import Argument, Usage, Value
from nhictl.core.policy.propose.generalise import FEW, OPEN, Pin, generalise, nearest, unseen
from nhictl.core.policy.types import plain

if TYPE_CHECKING:
    from nhictl.core.policy.propose.evidence import Evidence

__all__ = ["Entry", "Reading", "entries"]


class Reading:
    """How one argument was read: its role, the rule that made its condition, and the numbers behind it.

    `given` is None for an argument that this intent never gave.
    """

    __slots__ = ("given", "path", "pin", "role")

    def __init__(self, path: str, role: str, pin: Pin, given: Argument | None) -> None:
        self.path = path
        self.role = role
        self.pin = pin
        self.given = given

    def to_json(self) -> dict[str, Any]:
        """As JSON: path, role, rule, and how many calls, runs and different values stand behind it."""
        seen = self.given
        made: dict[str, Any] = {"path": self.path, "role": self.role, "rule": self.pin.rule}
        if seen is not None:
            made |= {"calls": seen.calls, "runs": len(seen.runs), "values": len(seen.values)}
            made["new_value_rate"] = round(seen.novelty(), 3)
        return made


class Entry:
    """One tool of one intent: a box of a scope, or what a permit is made of."""

    __slots__ = ("intent", "notes", "readings", "reads", "tool", "usage")

    def __init__(self, intent: str | None, tool: str, usage: Usage, readings: list[Reading], *, reads: bool) -> None:
        self.intent = intent
        self.tool = tool
        self.usage = usage
        self.readings = readings
        self.reads = reads
        self.notes: list[str] = []

    @property
    def when(self) -> dict[str, dict[str, Any]]:
        """The conditions by path, as a box has them."""
        return {reading.path: reading.pin.when for reading in self.readings if reading.pin.when}

    def to_json(self) -> dict[str, Any]:
        """As JSON: what it opens, and what stands behind it."""
        usage = self.usage
        return {
            "intent": self.intent, "tool": self.tool, "reads": self.reads, "when": plain(self.when),
            "calls": usage.calls, "failed": usage.errors, "runs": len(usage.runs), "agents": len(usage.agents),
            "places": usage.places, "arguments": [reading.to_json() for reading in self.readings], "review": self.notes,
        }  # fmt: skip


def entries(evidence: Evidence) -> list[Entry]:
    """The entries of all intents, sorted by intent and tool."""
    found = roles.roles(evidence)
    reads = {tool: roles.only_reads(tool, evidence, found) for _, tool in evidence.usage}
    known: dict[str, list[tuple[str, Argument]]] = {}
    for (tool, path), argument in sorted(evidence.known.items()):
        known.setdefault(tool, []).append((path, argument))
    return [
        _entry(known.get(tool, []), found, intent, tool, usage, reads=reads[tool], asked=evidence.asked)
        for (intent, tool), usage in sorted(evidence.usage.items(), key=lambda item: (item[0][0] or "", item[0][1]))
    ]


def _entry(
    known: list[tuple[str, Argument]], found: dict[tuple[str, str], str], intent: str | None, tool: str, usage: Usage,
    *, reads: bool, asked: bool,
) -> Entry:  # fmt: skip
    readings = []
    for path, seen in known:
        role = found[tool, path]
        given = usage.arguments.get(path)
        if not path.isprintable() or path == "args.":
            readings.append(Reading(path, role, OPEN, given))
        elif given is None:
            readings.append(Reading(path, role, unseen(role, seen, reads=reads), None))
        else:
            readings.append(
                Reading(path, role, generalise(role, given, usage.calls, len(usage.runs), reads=reads), given)
            )
    made = Entry(intent, tool, usage, readings, reads=reads)
    if not reads:
        _hold(made)
    _say(made, asked=asked)
    return made


def _hold(entry: Entry) -> None:
    """A tool that acts should be held by something that says what it acts on."""
    held = any(
        reading.given is not None and reading.pin.when and reading.role != shapes.FLAG for reading in entry.readings
    )
    given = {r.path: (r.role, r.given) for r in entry.readings if r.given is not None}
    if held or not given:
        return
    best = nearest(given, entry.usage.calls)
    if best is None:
        entry.notes.append("nothing that was seen holds this tool to one thing: narrow it, or ask for approval")
        return
    for reading in entry.readings:
        if reading.path == best[0]:
            reading.pin = Pin("nearest", best[1].when)


def _say(entry: Entry, *, asked: bool) -> None:
    """Notes for whoever reviews: what rests on little, came from elsewhere, or could not be pinned."""
    if len(entry.usage.runs) < FEW:
        entry.notes.append(f"thin evidence: {len(entry.usage.runs)} run{'s' * (len(entry.usage.runs) != 1)}")
    for reading in entry.readings:
        if reading.given is None or entry.reads or reading.role not in roles.IDENTIFIERS:
            continue
        if reading.pin is OPEN:
            entry.notes.append(f"`{reading.path}` says to whom, where or which, and could not be pinned")
            continue
        if reading.role == roles.SECRET:
            entry.notes.append(
                f"`{reading.path}` looks like a secret: do not keep it in a file; ask for approval instead"
            )
        _say_origin(entry, reading, asked=asked)


def _say_origin(entry: Entry, reading: Reading, *, asked: bool) -> None:
    values = reading.given.values.values() if reading.given is not None else ()
    read = [value for value in values if value.found and not value.asked]
    failed = [value for value in values if value.failed == value.calls]
    if asked and read:
        entry.notes.append(f"`{reading.path}` was read in earlier results and not asked for: {_list(read)}")
    if failed:
        entry.notes.append(f"`{reading.path}` was only ever given in calls that failed: {_list(failed)}")


def _list(values: list[Value]) -> str:
    """The first values, each cut."""
    shown = [str(next(iter(value.spelt.values())))[:60] for value in values[:3]]
    return ", ".join(shown) + (f" and {len(values) - 3} more" if len(values) > 3 else "")
