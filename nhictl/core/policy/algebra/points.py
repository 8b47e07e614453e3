"""A few values of a type that stand for all of them: whatever some value makes of the conditions, one of these does.

Numbers: each bound and a value between any two, beyond the least and the greatest. Texts: each value named, and for
every combination of patterns that any other text can have, one such text. A point is unproven (`sure` is False) where
only the wider set of texts it was looked for in is known to hold it; what it would make of each pattern is kept beside it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from nhictl.core.policy.algebra.automata import GlobPart, PrefixPart, WordsPart, host_part, walk
from nhictl.core.policy.algebra.universe import universe
from nhictl.core.policy.condition import TRUE
from nhictl.core.policy.domain import Interval, Looking, Pattern, Prefix, Under, Values
from nhictl.core.policy.operand import UNTYPED
from nhictl.core.policy.resource import normal_resource
from nhictl.core.policy.types import SENSITIVITY, ArgType, Refused, exact, scalar_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nhictl.core.policy.algebra.automata import Part
    from nhictl.core.policy.algebra.budget import Budget
    from nhictl.core.policy.condition import Condition

__all__ = ["Point", "bounds_of", "holds", "instants", "is_normal", "numbers", "part_of", "points"]

_LARGEST = 10**40 - 1
_FIRST_INSTANT, _LAST_INSTANT = "0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"
Key = tuple[str, str]


class Point:
    """A value; `sure` unless it may not exist, and then `patterns` are those (operator, operand) that it would meet."""

    __slots__ = ("patterns", "sure", "value")

    def __init__(self, value: Any, *, sure: bool = True, patterns: frozenset[Key] = frozenset()) -> None:
        self.value = value
        self.sure = sure
        self.patterns = patterns


def holds(condition: Condition, point: Point) -> bool:
    """Whether a condition with a domain is true of a point."""
    if point.sure or not isinstance(point.value, str):
        return condition.test_value(point.value) == TRUE
    if isinstance(condition.domain, Values):  # an unproven point is none of the values that anything names
        return condition.domain.negated and (condition.kinds is None or "string" in condition.kinds)
    return (condition.op, str(condition.operand)) in point.patterns


def points(kind: str, inside: list[Condition], outside: Iterable[Condition], budget: Budget) -> list[Point]:
    """Points of a type for all `inside` to be true of, that tell all of `inside` and `outside` apart."""
    named = next((c for c in inside if isinstance(c.domain, Values) and not c.domain.negated), None)
    if named is not None:
        found = [Point(value) for value in _values(named) if kind in UNTYPED or is_normal(kind, value)]
    else:
        every = [*inside, *outside]
        found = []
        if kind in UNTYPED:
            found += [*numbers(every, integral=False), Point(True), Point(False)]
        if kind in ("number", "integer"):
            found += numbers(every, integral=kind == "integer")
        elif kind == "timestamp":
            found += instants(every)
        elif kind == "boolean":
            found += [Point(True), Point(False)]
        elif kind == "sensitivity":
            found += [Point(rank) for rank in range(len(SENSITIVITY))]
        else:
            found += _texts(kind, inside, every, budget)
    budget.spend(len(found) * (len(inside) + 1))
    return [point for point in found if all(holds(condition, point) for condition in inside)]


def _values(condition: Condition) -> tuple[Any, ...]:
    return condition.operand if isinstance(condition.operand, tuple) else (condition.operand,)


def is_normal(kind: str, value: Any) -> bool:
    """Whether a value is of a type; a tool's resource (`resource:uri`) is narrower than what its conditions may name."""
    head, colon, look = kind.partition(":")
    try:
        return bool((normal_resource(value, look) if colon else ArgType(head).normal(value)) == value)
    except Refused:
        return kind == "sensitivity"


def bounds_of(conditions: Iterable[Condition]) -> list[Any]:
    """Every value that a condition names."""
    found: list[Any] = []
    for condition in conditions:
        if isinstance(condition.domain, Values | Interval):
            found.extend(_values(condition))
    return found


def numbers(conditions: list[Condition], *, integral: bool) -> list[Point]:
    from math import floor

    bounds = sorted({value for value in bounds_of(conditions) if scalar_kind(value) == "number"})
    if not bounds:
        return [Point(1)]
    found = [Point(value) for value in bounds]
    beyond = (floor(bounds[0]) - 1, floor(bounds[-1]) + 1)
    found += [Point(value) for value in beyond if -_LARGEST <= value <= _LARGEST]
    for low, high in pairwise(bounds):
        between = _between(low, high, integral=integral)
        if between is not None:
            found.append(between)
    return found


def _between(low: Any, high: Any, *, integral: bool) -> Point | None:
    from decimal import Context, Decimal
    from math import floor

    whole = floor(low) + 1
    if whole < high:
        return Point(whole)
    if integral:
        return None
    exactly = Context(prec=200)
    middle = exactly.divide(exactly.add(Decimal(low), Decimal(high)), Decimal(2))
    try:
        return Point(exact(middle))
    except Refused:  # closer together than a number has digits
        return _shorter(middle, low, high)


def _shorter(middle: Any, low: Any, high: Any) -> Point | None:
    from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

    step = Decimal((0, (1,), -40))
    for rounding in (ROUND_FLOOR, ROUND_CEILING):
        rounded = middle.quantize(step, rounding=rounding, context=Context(prec=200))
        try:
            if low < rounded < high:
                return Point(exact(rounded))
        except Refused:
            return Point(middle, sure=False)
    return None


def instants(conditions: list[Condition]) -> list[Point]:
    from nhictl.core.policy.instant import instant_text, parse_instant

    first, last = parse_instant(_FIRST_INSTANT), parse_instant(_LAST_INSTANT)
    bounds = sorted({parse_instant(text) for text in bounds_of(conditions)})
    if not bounds:
        return [Point("2030-01-01T00:00:00.000000Z")]
    found = {near for bound in bounds for near in (bound - 1, bound, bound + 1)}
    return [Point(instant_text(at)) for at in sorted(found) if first <= at <= last]


def _texts(kind: str, inside: list[Condition], every: list[Condition], budget: Budget) -> list[Point]:
    words = {value for value in bounds_of(every) if isinstance(value, str)}
    parts = {_key(c): c for c in every if isinstance(c.domain, Pattern | Prefix | Under | Looking)}
    keys = list(parts)
    required = {at for at, key in enumerate(keys) if any(_key(c) == key for c in inside)}
    places = [at for at, key in enumerate(keys) if isinstance(parts[key].domain, Looking)]
    name = "string" if kind in UNTYPED else kind

    def good(text: str, mask: int) -> bool:
        return is_normal(name, text) and all(
            (parts[key].test_value(text) == TRUE) is bool(mask >> at & 1) for at, key in enumerate(keys)
        )

    machine = [part_of(parts[key]) for key in keys]
    walked = walk(universe(kind), WordsPart(words), machine, required, good, budget)
    if places and not walked.get(sum(1 << at for at in required), ("", False))[1]:
        _look(walked, WordsPart(words), machine, required, places, good, budget)
    found = [Point(word) for word in sorted(words) if is_normal(name, word)]
    for mask, (text, ok) in walked.items():
        met = frozenset(key for at, key in enumerate(keys) if mask >> at & 1)
        found.append(Point(text, sure=ok, patterns=met))
    return found


def _look(
    walked: dict[int, tuple[str, bool]], words: WordsPart, machine: list[Part], required: set[int], places: list[int],
    good: Callable[[str, int], bool], budget: Budget,
) -> None:  # fmt: skip
    """Complete what was walked where undeclared texts are asked whether they lie in a place, which their look decides.

    Looked for besides: normal forms, texts that lie nowhere, and, unproven, every combination of a text's own patterns
    with a place, as if the two were independent: `S3://CRM/` is under `s3://crm` and does not start with it.
    """

    def some(chosen: list[int], kind: str, words: WordsPart) -> dict[int, tuple[str, bool]]:
        needed = {at for at, each in enumerate(chosen) if each in required}

        def back(mask: int) -> int:
            return sum(1 << each for at, each in enumerate(chosen) if mask >> at & 1)

        found = walk(
            universe(kind),
            words,
            [machine[at] for at in chosen],
            needed,
            lambda t, m: good(t, back(m)),
            budget,
            all_of_them=True,
        )
        return {back(mask): seen for mask, seen in found.items()}

    own = [at for at in range(len(machine)) if at not in places]
    named = some(list(range(len(machine))), "resource", words)
    nowhere = {} if required.intersection(places) else some(own, "spoilt", words)
    for mask, seen in (*named.items(), *nowhere.items()):
        if not walked.get(mask, ("", False))[1]:
            walked[mask] = seen
    lying = {*some(places, "resource", WordsPart(())), *((0,) if not required.intersection(places) else ())}
    alone = some(own, "untyped", WordsPart(()))
    budget.spend(len(alone) * len(lying))
    for one in alone:
        for other in lying:
            walked.setdefault(one | other, ("", False))


def _key(condition: Condition) -> Key:
    return condition.op, str(condition.operand)


def part_of(condition: Condition) -> Part:
    domain = condition.domain
    if isinstance(domain, Pattern):
        return GlobPart(domain.glob.text)
    if isinstance(domain, Prefix):
        return PrefixPart(domain.prefix)
    if isinstance(domain, Under) and domain.host:
        return host_part(domain.prefix)
    prefix = domain.prefix if isinstance(domain, Under | Looking) else ""
    if prefix.endswith("/"):
        return PrefixPart(prefix)
    return PrefixPart(prefix, "/?" if "://" in prefix else "/")
