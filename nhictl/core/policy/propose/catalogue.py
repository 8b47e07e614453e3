"""The catalogue that a log implies: which tools there are, and the types of their arguments.

A type is the narrowest that every value seen has and that the proposed conditions can be put on: `email`, `uri`, `path`,
`timestamp`, else `string`; `number` for every JSON number, since a whole one says nothing about fractions; `boolean`;
lists of these; objects of named fields. An argument is optional unless every call gave it and every proposed entry pins
it: a log cannot prove that a tool insists on anything.

A tool that only reads and that nothing pins is declared `args: open`, unless everything is to be `closed`: a log shows
only what happened to be asked, and refusing other questions to it would protect nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from nhictl.core.policy.propose import shapes
from nhictl.core.policy.propose.evidence import RESOURCE, Argument, Evidence
from nhictl.core.policy.types import ArgType, Refused, scalar_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nhictl.core.policy.propose.build import Entry, Reading

__all__ = ["OPEN_ARGS", "declare"]

OPEN_ARGS: Final = "open"
_TYPED: Final = {shapes.ADDRESS: "email", shapes.PLACE: "uri", shapes.PATH: "path", shapes.MOMENT: "timestamp"}


def declare(evidence: Evidence, tool: str, entries: Sequence[Entry], *, closed: bool) -> dict[str, Any]:
    """The catalogue entry of a tool, from all its entries: `{args, resource}`."""
    pinned = any(reading.pin.when and reading.given is not None for entry in entries for reading in entry.readings)
    made: dict[str, Any] = {}
    known = {path: seen for (of, path), seen in sorted(evidence.known.items()) if of == tool}
    if RESOURCE in known:
        values = [one for value in known[RESOURCE].values.values() for one in value.spelt.values()]
        made["resource"] = next((kind for kind in ("uri", "path") if all(_is(kind, one) for one in values)), "string")
    arguments = {path: seen for path, seen in known.items() if path != RESOURCE and _nameable(path[5:])}
    if all(entry.reads for entry in entries) and not pinned and not closed:
        return {"args": OPEN_ARGS, **made}
    fields: dict[str, Any] = {}
    for path, seen in arguments.items():
        kind = _type(path, seen, entries)
        if kind is not None:
            required = all(_always(entry, path) for entry in entries)
            _place(fields, path[5:].split("."), kind if required else {"type": kind, "optional": True})
    return {"args": _finished(fields), **made} if fields else made


def _nameable(path: str) -> bool:
    """Whether the document can name an argument so; a dot joins the names of fields."""
    return all(0 < len(n) <= 128 and n.isprintable() and set(" *{}").isdisjoint(n) for n in path.split("."))


def _always(entry: Entry, path: str) -> bool:
    reading = next((each for each in entry.readings if each.path == path), None)
    given = reading.given if reading is not None else None
    return reading is not None and given is not None and bool(reading.pin.when) and given.calls == entry.usage.calls


def _place(fields: dict[str, Any], names: list[str], kind: Any) -> None:
    """Put a leaf under its names; where a name is both a value and an object, the first stays."""
    below = fields
    for name in names[:-1]:
        found = below.setdefault(name, _Object())
        if not isinstance(found, _Object):
            return
        below = found
    below.setdefault(names[-1], kind)


class _Object(dict[str, Any]):
    """Fields of an object argument."""


def _finished(fields: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, kind in fields.items():
        if isinstance(kind, _Object):
            inner = _finished(kind)
            free = all(isinstance(each, dict) and each.get("optional") for each in inner.values())
            made[name] = {"type": inner, "optional": True} if free else {"type": inner}
        else:
            made[name] = kind
    return made


def _type(path: str, seen: Argument, entries: Sequence[Entry]) -> Any:
    """The type of one argument, None if the language has none for it; of several kinds the one that most calls gave.

    What was only ever null or an empty list is declared, too, since naming it is enough to be refused otherwise.
    """
    readings = [reading for entry in entries for reading in entry.readings if reading.path == path]
    if not seen.values:
        kept_out = any(reading.pin.when for reading in readings)
        return None if seen.complex else ["string"] if seen.empty or kept_out else "string"
    kinds: Counter[str] = Counter()
    for value in seen.values.values():
        kinds[scalar_kind(next(iter(value.spelt.values()))) or "string"] += value.calls
    name = min(kinds, key=lambda kind: (-kinds[kind], kind))
    if name == "string":
        name = _text_type(seen, readings)
    return [name] if seen.listed > seen.single else name


def _text_type(seen: Argument, readings: Sequence[Reading]) -> str:
    role = readings[0].role if readings else shapes.NAME
    wanted = _TYPED.get(role)
    values = [one for value in seen.values.values() for one in value.spelt.values()]
    used = {op for reading in readings for op in reading.pin.when}
    if wanted is None or not all(_is(wanted, one) for one in values):
        return "string"
    if wanted == "uri" and "under" not in used and all(shapes.web(one) is not None for one in values):
        return "string"  # people and programs leave `https://` out, which is no uri
    if wanted == "timestamp" and any(reading.pin.rule not in {"enumerated", "unseen"} for reading in readings):
        return "string"
    if "starts_with" in used:
        return "string"
    return wanted


def _is(kind: str, value: Any) -> bool:
    try:
        ArgType(kind).normal(value)
    except Refused:
        return False
    return True
