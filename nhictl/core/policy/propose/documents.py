"""A proposal as YAML: a scope file, or a whole rules document, with the evidence of each entry in comments beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.condition import Condition
from nhictl.core.policy.propose.generalise import FEW
from nhictl.core.policy.propose.yaml_text import comment, flow, scalar
from nhictl.core.policy.types import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nhictl.core.policy.propose.build import Entry, Reading
    from nhictl.core.policy.types import ArgType

__all__ = ["Permit", "catalogue_text", "conditions", "count", "rules_text", "scope_text"]


def conditions(entry: Entry, type_of: Callable[[str, str], ArgType | None]) -> dict[str, dict[str, Any]]:
    """An entry's conditions as the types of a catalogue take them: values that have no normal form of the type are left
    out, and where it does not know an operator the values themselves stand. Where `type_of(tool, path)` is None there is
    nothing that a condition could read.
    """
    made: dict[str, dict[str, Any]] = {}
    for reading in entry.readings:
        of, pin = type_of(entry.tool, reading.path), reading.pin
        if of is not None and pin.when:
            fitted = _fitted(reading.path, pin.when, of) or _fitted(reading.path, pin.instead or {}, of)
            if fitted:
                made[reading.path] = fitted
            elif (note := f"`{reading.path}` could not be pinned as a {of}") not in entry.notes:
                entry.notes.append(note)
    return made


def _fitted(path: str, when: dict[str, Any], of: ArgType) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for op, operand in when.items():
        if op == "absent_ok" or _fits(path, op, operand, of):
            made[op] = operand
        elif op == "in":
            kept = [value for value in operand if _fits(path, "eq", value, of)]
            if kept:
                made[op] = kept
    return made if made.keys() - {"absent_ok"} else {}


def _fits(path: str, op: str, operand: Any, of: ArgType) -> bool:
    try:
        Condition(path, op, operand, of)
    except Refused:
        return False
    return True


def scope_text(head: Iterable[str], entries: Sequence[tuple[Entry, dict[str, Any]]], tail: Iterable[str]) -> str:
    """The scope file of one intent."""
    lines = [comment(line) for line in head]
    lines += ["nhictl_scope: 1", "allow:"]
    for entry, when in entries:
        lines += [comment(line, "  ") for line in evidence_lines(entry)]
        lines.append(f"  - tools: [{scalar(entry.tool)}]")
        lines += _when(when, "    ")
    lines += [comment(line) for line in tail]
    return "\n".join(lines) + "\n"


def _when(when: dict[str, Any], indent: str) -> list[str]:
    if not when:
        return []
    return [f"{indent}when:", *(f"{indent}  {scalar(path)}: {flow(below)}" for path, below in when.items())]


def rules_text(
    head: Iterable[str], tools: dict[str, dict[str, Any]], permits: Sequence[Permit], tail: Iterable[str]
) -> str:
    """The whole document: catalogue, then permits."""
    lines = [*(comment(line) for line in head), catalogue_text(tools) + "rules:"]
    for permit in permits:
        lines += [comment(line, "  ") for entry in permit.entries for line in evidence_lines(entry)]
        match: dict[str, Any] = {} if permit.intent is None else {"intents": [permit.intent]}
        match["tools"] = [entry.tool for entry in permit.entries]
        lines += [
            f"  - id: {scalar(permit.id)}",
            "    effect: permit",
            f"    description: {scalar(permit.description)}",
            f"    match: {flow(match)}",
            *_when(permit.when, "    "),
        ]
    lines += [comment(line) for line in tail]
    return "\n".join(lines) + "\n"


def catalogue_text(tools: dict[str, dict[str, Any]]) -> str:
    """The document without its rules."""
    lines = ["nhictl_policy: 1", "id: proposal", "default: deny", "tools:" if tools else "tools: {}"]
    lines += [f"  {scalar(name)}: {flow(declared)}" for name, declared in tools.items()]
    return "\n".join(lines) + "\n"


class Permit:
    """Tools of one intent under the same conditions."""

    __slots__ = ("description", "entries", "id", "intent", "when")

    def __init__(self, number: int, entries: Sequence[Entry], when: dict[str, Any]) -> None:
        self.id = f"PROPOSED-{number:03}"
        self.intent = entries[0].intent
        self.entries = entries
        self.when = when
        calls = sum(entry.usage.calls for entry in entries)
        runs = len(set().union(*(entry.usage.runs for entry in entries)))
        self.description = f"Proposed from {count(calls, 'call')} in {count(runs, 'run')}"


def count(number: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def evidence_lines(entry: Entry) -> list[str]:
    """What an entry rests on, a line for the tool and one for each argument."""
    usage = entry.usage
    said = [f"{count(usage.calls, 'call')} in {count(len(usage.runs), 'run')} of {count(len(usage.agents), 'agent')}"]
    if usage.errors:
        said.append(f"{usage.errors} failed")
    more = ", …" if usage.calls > len(usage.places) else ""
    what = "only reads" if entry.reads else "acts"
    lines = [f"{entry.tool} ({what}): {', '.join(said)}; {', '.join(usage.places)}{more}"]
    lines += [f"  {reading.path} ({reading.role}): {_behind(reading)}" for reading in entry.readings]
    return lines + [f"  REVIEW: {note}" for note in entry.notes]


def _behind(reading: Reading) -> str:
    seen = reading.given
    if seen is None:
        return f"never given here, {'kept out' if reading.pin.when else 'open'}"
    said = f"{reading.pin.rule}; {count(len(seen.values), 'value')} in {count(len(seen.runs), 'run')}"
    return f"{said}, {seen.novelty():.0%} of them with one of their own" if len(seen.runs) >= FEW else said
