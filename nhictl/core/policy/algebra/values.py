"""Values of one fact that stand for all there are, whatever combination of conditions is asked of them.

Beside what `points` finds for boxes that only name what they want, here every combination counts: a policy's forbids,
gates and sensitivities make it matter as well what a value does not meet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.algebra.automata import WordsPart, walk
from nhictl.core.policy.algebra.points import bounds_of, instants, is_normal, numbers, part_of
from nhictl.core.policy.algebra.universe import universe
from nhictl.core.policy.condition import TRUE
from nhictl.core.policy.domain import Looking, Pattern, Prefix, Under
from nhictl.core.policy.operand import UNTYPED
from nhictl.core.policy.resource import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nhictl.core.policy.algebra.automata import Part
    from nhictl.core.policy.algebra.budget import Budget
    from nhictl.core.policy.condition import Condition

    Measure = tuple[Part, Callable[[str], bool]]

__all__ = ["scalars"]


def scalars(
    kind: str, conditions: Sequence[Condition], budget: Budget, measures: Sequence[Measure] = ()
) -> tuple[list[Any], bool]:
    """Values of a kind that tell all conditions and `measures` (an automaton and the exact test it stands for) apart.

    The second part of the answer is False where some value may have been missed.
    """
    if kind == "boolean":
        return [True, False], True
    if kind in ("number", "integer", "timestamp"):
        found = (
            instants(list(conditions)) if kind == "timestamp" else numbers(list(conditions), integral=kind == "integer")
        )
        sure = [point.value for point in found if point.sure]
        ordered = sorted(sure)
        return ordered, len(sure) == len(found)
    if kind not in UNTYPED:
        return _texts(kind, conditions, budget, measures)
    found = numbers(list(conditions), integral=False)
    texts, complete = _texts("string", conditions, budget, measures)
    sure = sorted(point.value for point in found if point.sure)
    return [*texts, *sure, True, False], complete and len(sure) == len(found)


def _texts(
    kind: str, conditions: Sequence[Condition], budget: Budget, measures: Sequence[Measure]
) -> tuple[list[str], bool]:
    words = {value for value in bounds_of(conditions) if isinstance(value, str)}
    parts = {(c.op, str(c.operand)): c for c in conditions if isinstance(c.domain, Pattern | Prefix | Under | Looking)}
    tests: list[Callable[[str], bool]] = [lambda text, c=c: c.test_value(text) == TRUE for c in parts.values()]  # type: ignore[misc]
    tests += [test for _, test in measures]

    def good(text: str, mask: int) -> bool:
        return _normal(kind, text) and all(test(text) is bool(mask >> at & 1) for at, test in enumerate(tests))

    machine = [*(part_of(c) for c in parts.values()), *(part for part, _ in measures)]
    walked = walk(universe(kind), WordsPart(words), machine, set(), good, budget, all_of_them=True)
    made = [word for word in sorted(words) if _normal(kind, word)]
    made += [text for text, sure in walked.values() if sure]
    return made, all(sure for _, sure in walked.values())


def _normal(kind: str, text: str) -> bool:
    if kind != "agent":
        return is_normal(kind, text)
    from nhictl.core.policy.registry import agent_name

    try:
        return agent_name(text) == text
    except Refused:
        return False
