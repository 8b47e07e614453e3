"""A control as a value, and what measuring one comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nhictl.core.controls.evidence import Evidence

MET: Final = "met"
NOT_MET: Final = "not_met"
NO_DATA: Final = "no_data"
KINDS: Final = ("measured", "declared", "n/a")


class Measure(NamedTuple):
    """`status` and the sentence for it, the numbers behind it, and the rows that decide it: `{agent}`, `{token}`, `{task}`,
    `{file}`, `{rule}` or a record's place.
    """

    status: str
    says: str
    numbers: Mapping[str, Any]
    rows: tuple[dict[str, Any], ...] = ()


class Control(NamedTuple):
    """`measured` has a function; `declared` is for people to show; `n/a` cannot be seen from here. `looks_at` says at what."""

    id: str
    title: str
    kind: str
    looks_at: str
    measure: Callable[[Evidence], Measure] | None


def measured(ident: str, title: str) -> Callable[[Callable[[Evidence], Measure]], Control]:
    """Make a control of the function that measures it; its docstring says what is looked at."""

    def made(measure: Callable[[Evidence], Measure]) -> Control:
        return Control(ident, title, "measured", " ".join((measure.__doc__ or "").split()), measure)

    return made


def not_here(ident: str, title: str, why: str) -> Control:
    """A control about what is not ours to see."""
    return Control(ident, title, "n/a", why, None)


def declared(ident: str, title: str, why: str) -> Control:
    """A control that people show by documents."""
    return Control(ident, title, "declared", why, None)


def no_data(why: str, **numbers: Any) -> Measure:
    """There is nothing to measure."""
    return Measure(NO_DATA, why, numbers)


def judged(bad: Iterable[dict[str, Any]], yes: str, no: str, **numbers: Any) -> Measure:
    """Met if there is no bad row, else not."""
    rows = tuple(bad)
    return Measure(NOT_MET, no, numbers, rows) if rows else Measure(MET, yes, numbers)


def detected(evidence: Evidence, *names: str, population: int, of: str, **numbers: Any) -> Measure:
    """Met if none of those detections found anything and all could be decided; `population` of 0 is no data."""
    known = {name: evidence.detected.get(name) for name in names}
    rows = tuple(ref for one in known.values() if one is not None and one.state == "found" for ref in one.records)
    counts = {name: one.times if one is not None else None for name, one in known.items()} | numbers | {of: population}
    found = [name for name, one in known.items() if one is not None and one.state == "found"]
    if found:
        return Measure(NOT_MET, f"found: {', '.join(found)}", counts, rows)
    if population == 0:
        return no_data(f"no {of.replace('_', ' ')}", **counts)
    missing = sorted(
        {gap for one in known.values() if one is not None for gap in one.missing if one.state == "unknown"}
    )
    if missing or None in known.values():
        return no_data(f"could not be decided: {'; '.join(missing[:3]) or 'not looked for'}", **counts)
    return Measure(MET, f"none of {', '.join(names)} in {population:,} {of.replace('_', ' ')}", counts)


def worse(*found: Measure) -> Measure:
    """Several measures of one control: not met if one is not; met if one is and none is not; the sentences joined."""
    status = NOT_MET if any(one.status == NOT_MET for one in found) else None
    status = status or (MET if all(one.status == MET for one in found) else NO_DATA)
    numbers = {name: value for one in found for name, value in one.numbers.items()}
    shown = [one for one in found if one.status == status] if status != MET else list(found)
    return Measure(
        status, "; ".join(one.says for one in shown), numbers, tuple(row for one in found for row in one.rows)
    )
