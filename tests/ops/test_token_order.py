"""Two things wrong at once: the lower step answers, whatever the other is."""

from __future__ import annotations

from itertools import combinations

import pytest

from nhictl.ops.verify_token import verify
from tests.ops.token_codes import generic
from tests.ops.token_home import Authority
from tests.ops.token_vectors import VECTORS_OF_THE_TEXT, Vector
from tests.ops.token_vectors_claims import CLAIMS
from tests.ops.token_vectors_keys import KEYS
from tests.ops.token_vectors_state import STATE, UNDECIDED


def one_each() -> list[Vector]:
    """The first vector of every code and set of parts touched."""
    found: dict[tuple[str, str], Vector] = {}
    for vector in [*VECTORS_OF_THE_TEXT, *KEYS, *CLAIMS, *STATE, UNDECIDED]:
        if "50 MB" not in vector.name:
            found.setdefault((generic(vector.reason), vector.touches), vector)
    return list(found.values())


PAIRS = [
    (first, second)
    for first, second in combinations(one_each(), 2)
    if set(first.touches.split()).isdisjoint(second.touches.split())
]
STEPS = sorted({min(pair, key=lambda v: v.step).step for pair in PAIRS})


def test_the_pairs_are_many() -> None:
    assert len(PAIRS) > 1500
    assert list(range(1, 21)) == STEPS, "every step comes first in some pair"


@pytest.mark.parametrize("step", STEPS)
def test_the_lower_step_answers(authority: Authority, step: int) -> None:
    for pair in PAIRS:
        low, high = sorted(pair, key=lambda vector: vector.step)
        if low.step != step:
            continue
        with authority.case() as case:
            low.mutate(case)
            high.mutate(case)
            verdict = verify(case.house, case.question())
            wanted = {vector.reason for vector in pair if vector.step == step}
            assert (verdict.step, verdict.reason in wanted) == (step, True), (low.name, high.name, verdict.reason)
