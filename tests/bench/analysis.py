"""Analysis of whole policies: lint of 1,000 and 10,000 rules, and the comparison of two that differ in five.

The floor is reading the same document, so that the ratio hangs on no machine. Budgets are what the prototype took over what
its reader took (reference `policy.md` §4): 12 s and 0.5 s over 0.54 s at 10,000 rules.
"""

from __future__ import annotations

from nhictl.core.policy.analysis.compare import Comparison, compare
from nhictl.core.policy.analysis.lint.run import lint
from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.document import parse_policy
from tests.bench.measure import Row, at_most, pairs
from tests.bench.policy import document

_NOW_US = 1_795_435_200_000_000


def rows(rounds: int) -> list[Row]:
    """Three rows."""
    return [_lint(1_000, rounds), _lint(10_000, 2), _compare(10_000, 2)]


def _lint(count: int, rounds: int) -> Row:
    data = document(count)
    compiled = parse_policy([("bench", data)]).to_json()
    found = pairs(
        lambda: lint(Policy.from_json(compiled), None, _NOW_US), lambda: parse_policy([("bench", data)]), rounds
    )
    return at_most(f"lint of {count} rules, against reading them", found, 22)


def _compare(count: int, rounds: int) -> Row:
    old = document(count)
    new = old
    for number in (1, 12, 23, 34, 45):
        new = new.replace(f"lte: {100 + number}}}".encode(), f"lte: {99_000 + number}}}".encode(), 1)
    one, other = (parse_policy([("bench", data)]).to_json() for data in (old, new))

    def ours() -> Comparison:
        return compare(Policy.from_json(one), Policy.from_json(other), None, _NOW_US)

    assert len(ours().gained) == 5
    found = pairs(ours, lambda: parse_policy([("bench", old)]), rounds)
    return at_most(f"5 rules of {count} changed, against reading one", found, 0.93)
