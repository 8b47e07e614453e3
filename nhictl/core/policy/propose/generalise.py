"""From an argument's values to a condition: the rules, each of which says when it applies.

An *identifier* (address, place, path, account, id, secret, resource) is always pinned:
- `enumerated`: the values seen, in all their spellings;
- `prefix`: if at least `MANY` different ones were seen and at least half of the runs brought one of their own, what they
  have in common: a web address's host and folders, a path's folders, an email's domain, the beginning of a name up to a
  mark such as `-`; if they have nothing in common, they are enumerated;
- `made up`: a path or name that stood neither in what the person asked nor in earlier results, for more than half of the
  calls, and differs between runs, names nothing that there was: it keeps to the folder in common, or is open. Addresses
  and places are never excused so.

Anything else is pinned to what was seen if no run brought a value of its own (`novelty` 0), so that the next run is
likely to stay inside. Otherwise: a quantity stays between nothing and the most seen, a moment keeps to the one day if
there is one, a name is open. Prose is open unless it is always, word for word, what the person asked for. A flag keeps to
what was seen.

For a tool that only reads, where it reads from is pinned (web addresses, resources, secrets, absolute paths by folder);
the rest is open, since reading more of the same place is what the next run does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nhictl.core.policy.propose import roles, shapes
from nhictl.core.policy.propose.evidence import RESOURCE
from nhictl.core.policy.resource import Refused, normal_prefix
from nhictl.core.policy.types import exact

if TYPE_CHECKING:
    from nhictl.core.policy.propose.evidence import Argument

__all__ = ["FEW", "MANY", "Pin", "generalise", "nearest", "unseen"]

MANY: Final = 4
FEW: Final = 3
"""Runs below which nothing can be said about the next one, so that what was seen is all there is."""
ALWAYS: Final = 5
MOST: Final = 256
_MARKS: Final = "-_/:.#"
_NEAR: Final = 0.1
_NAMING: Final = frozenset({shapes.PATH, roles.ID})


class Pin(NamedTuple):
    """A condition and the rule it comes from; `when` is empty for an open argument. `instead` is the condition to take
    where the argument's type does not know the operator.
    """

    rule: str
    when: dict[str, Any]
    instead: dict[str, Any] | None = None


OPEN: Final = Pin("open", {})


def generalise(role: str, argument: Argument, calls: int, runs: int, *, reads: bool) -> Pin:
    """The condition on an argument that was given in some of the `calls` that a tool got in so many `runs`."""
    if argument.complex or not argument.values:
        return OPEN
    if reads:
        made = _read(role, argument)
    elif role in roles.IDENTIFIERS:
        made = _pinned(role, argument)
    elif role == shapes.TEXT:
        made = _enumerated(argument) if _word_for_word(argument) else OPEN
    elif role == shapes.FLAG or argument.novelty() == 0 or runs < FEW:
        made = _enumerated(argument)
    elif role == shapes.NUMBER:
        made = _range(argument)
    elif role == shapes.MOMENT:
        made = _one_day(argument)
    else:
        made = OPEN
    return _optional(made, absent=argument.calls < calls)


def _optional(made: Pin, *, absent: bool) -> Pin:
    if not absent or not made.when:
        return made
    instead = made.instead if made.instead is None else {**made.instead, "absent_ok": True}
    return Pin(made.rule, {**made.when, "absent_ok": True}, instead)


def _read(role: str, argument: Argument) -> Pin:
    if role in {shapes.PLACE, RESOURCE, roles.SECRET}:
        return _pinned(role, argument)
    if role == shapes.PATH and all(str(v).startswith("/") for v in _seen(argument)):
        return _pinned(role, argument)
    return OPEN


def _seen(argument: Argument) -> list[Any]:
    """The values as they were written, sorted."""
    return _sorted([one for value in argument.values.values() for one in value.spelt.values()])


def _sorted(values: list[Any]) -> list[Any]:
    return sorted(values, key=lambda value: (type(value).__name__, str(value)))


def _enumerated(argument: Argument) -> Pin:
    if argument.overflow or len(argument.values) > MOST:
        return OPEN
    offered: dict[tuple[str, Any], Any] = {}
    for one in _seen(argument):
        for spelt in shapes.spellings(one):
            is_number = isinstance(spelt, int | float) and not isinstance(spelt, bool)
            offered.setdefault((type(spelt).__name__, spelt) if not is_number else ("number", exact(spelt)), spelt)
    values = _sorted([exact(v) if k[0] == "number" else v for k, v in offered.items()])
    return Pin("enumerated", {"eq": values[0]} if len(values) == 1 else {"in": values})


def _pinned(role: str, argument: Argument) -> Pin:
    if role in _NAMING and len(argument.runs) >= FEW and argument.novelty() > 0 and _made_up(argument):
        return _common(role, argument) or OPEN
    many = len(argument.values) >= MANY and argument.novelty() >= 0.5
    if many or argument.overflow or len(argument.values) > MOST:
        common = _common(role, argument)
        if common is not None:
            return common
    return _enumerated(argument)


def _common(role: str, argument: Argument) -> Pin | None:
    """What many values have in common, None if that is too little to mean anything.

    The beginning of a text is no folder: `in/../out` begins with `in/`. Whatever has slashes is compared by segments.
    """
    values = _seen(argument)
    if not all(isinstance(value, str) for value in values):
        return None
    instead = _enumerated(argument).when or None
    if role == shapes.ADDRESS:
        domains = {value.rpartition("@")[2].lower() for value in values}
        return Pin("prefix", {"glob": f"*@{domains.pop()}"}, instead) if len(domains) == 1 else None
    if any("/" in value or "\\" in value for value in values):
        folder = _folder(values)
        return Pin("prefix", {"under": folder}, instead) if folder is not None else None
    start = _beginning(values)
    while start and start[-1] not in _MARKS:
        start = start[:-1]
    return Pin("prefix", {"starts_with": start}, instead) if len(start.strip(_MARKS)) >= 2 else None


def _folder(values: list[str]) -> str | None:
    """The deepest folder that all lie in: a uri's host at least, or one folder of a path."""
    parts = [value.split("?")[0].split("/") for value in values]
    common: list[str] = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        common.append(level[0])
    least = 3 if "://" in values[0] else 2 if values[0].startswith("/") else 1
    if len(common) < least or not common[least - 1] or values[0].startswith(("./", "../", "~")):
        return None
    try:
        return normal_prefix("/".join(common))
    except Refused:
        return None


def _beginning(values: list[str]) -> str:
    low, high = min(values), max(values)
    at = 0
    while at < min(len(low), len(high)) and low[at] == high[at]:
        at += 1
    return low[:at]


def _made_up(argument: Argument) -> bool:
    known = sum(max(value.asked, value.found) for value in argument.values.values())
    return known * 2 < sum(value.calls for value in argument.values.values())


def _word_for_word(argument: Argument) -> bool:
    """Whether it was always what the person had written, in several runs that agree."""
    asked = all(value.asked == value.calls for value in argument.values.values())
    return asked and len(argument.runs) >= ALWAYS and argument.novelty() == 0


def _range(argument: Argument) -> Pin:
    values = [v for v in _seen(argument) if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(values) < len(_seen(argument)):
        return OPEN
    low, high = min(map(exact, values)), max(map(exact, values))
    return Pin("range", {"gte": min(low, 0), "lte": high})


def _one_day(argument: Argument) -> Pin:
    days = {shapes.day(value) for value in _seen(argument)}
    only = days.pop() if len(days) == 1 else None
    return Pin("prefix", {"starts_with": only}) if only is not None else OPEN


def nearest(arguments: dict[str, tuple[str, Argument]], calls: int) -> tuple[str, Pin] | None:
    """Where nothing pins a tool that acts: the argument whose values repeat most, if hardly any run brought its own."""
    best: tuple[float, str, Argument] | None = None
    for path, (_, argument) in sorted(arguments.items()):
        if argument.complex or argument.overflow or len(argument.values) > MOST or not argument.values:
            continue
        if best is None or argument.novelty() < best[0]:
            best = (argument.novelty(), path, argument)
    if best is None or best[0] > _NEAR:
        return None
    return best[1], _optional(_enumerated(best[2]), absent=best[2].calls < calls)


def unseen(role: str, argument: Argument, *, reads: bool) -> Pin:
    """The condition on an argument that the tool can take and this intent never gave: it stays away.

    A flag may be given as off; prose and names of nothing in particular may be added.
    """
    if reads or role in {shapes.TEXT, shapes.NAME}:
        return OPEN
    if role == shapes.FLAG and not argument.complex:
        return Pin("unseen", {"eq": False, "absent_ok": True})
    return Pin("unseen", {"has": False})
