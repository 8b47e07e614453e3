"""What a question costs, in steps rather than seconds: ten and a hundred times as large, and made to explode."""

from __future__ import annotations

import pytest

from nhictl.core.policy.algebra.budget import MAX_STEPS
from nhictl.core.policy.algebra.regions import subset
from tests.core.policy.algebra_help import of


def apart(size: int, more: int = 0) -> list[str]:
    """Boxes on a tool each."""
    return [f"t{n}?args.x<={n + more}&args.y=a{n}" for n in range(size)]


def together(size: int, more: int = 0) -> list[str]:
    """Boxes on one tool, each on two facts."""
    return [f"t?args.x<={n + more}&args.y=a{n}" for n in range(size)]


def test_sixty_four_boxes_a_side_are_decided_well_below_the_cap() -> None:
    """As many as a task's scope may have."""
    for make in (apart, together):
        found = subset(of(*make(64)), of(*make(64, 1)))
        assert found.holds is True
        assert found.steps < MAX_STEPS // 3
        assert subset(of(*make(64, 1)), of(*make(64))).holds is False


@pytest.mark.parametrize("times", [10, 100])
def test_many_tools_cost_their_pairs(times: int) -> None:
    small, large = (subset(of(*apart(n)), of(*apart(n, 1))) for n in (6, 6 * times))
    assert (small.holds, large.holds) == (True, True)
    assert large.steps <= small.steps * times**2


def test_one_tool_with_ten_times_the_boxes_is_still_decided_and_a_hundred_times_is_said_not_to_be() -> None:
    small, middle, large = (subset(of(*together(n)), of(*together(n, 1))) for n in (4, 40, 400))
    assert (small.holds, middle.holds) == (True, True)
    assert middle.steps <= small.steps * 10**3
    assert (large.holds, large.witness) == (None, None)
    assert f"within {MAX_STEPS} steps" in large.why
    assert large.steps < MAX_STEPS * 2, "and it stops there"


@pytest.mark.parametrize("size", [6, 60, 600])
def test_globs_that_could_explode_do_not_where_one_text_escapes_them_all(size: int) -> None:
    found = subset(of("t?args.s~*"), of(*(f"t?args.s~*w{n}*v*" for n in range(size))))
    assert found.holds is False
    assert found.steps < size * 100
    assert subset(of("*"), of(*(f"*w{n}*v*" for n in range(size)))).holds is False


def test_globs_that_do_explode_are_undecided() -> None:
    """No text escapes all, and a walk would go through every set of letters seen so far."""
    letters = "abcdefghijklmnopqrstuvwxy"
    inside = "t?args.s~*" + "*".join(letters) + "*"
    boxes = [f"t?args.s~*{one}*{other}*" for one, other in zip(reversed(letters), letters[::2], strict=False)]
    found = subset(of(inside), of("t?args.s~*a*", *boxes))
    assert (found.holds, found.witness) == (None, None)
    assert found.steps < MAX_STEPS * 2
    assert subset(of(inside), of("t?args.s~*a*")).holds is True, "asked about the one box that has it all"


def test_a_search_that_would_take_for_ever_ends() -> None:
    """Ten pigeons in nine holes: a proof by cases grows with the factorial."""
    pigeons, holes = 10, 9
    inside = "t?" + "&".join(f"args.p{p}=" + "|".join(f"h{h}" for h in range(holes)) for p in range(pigeons))
    pairs = [(p, q, h) for h in range(holes) for p in range(pigeons) for q in range(p)]
    from nhictl.core.policy.document import parse_policy

    names = ", ".join(f"p{p}: string" for p in range(pigeons))
    policy = parse_policy([("p", f"nhictl_policy: 1\ntools: {{t: {{args: {{{names}}}}}}}\n".encode())])
    found = subset(of(inside), of(*(f"t?args.p{p}=h{h}&args.p{q}=h{h}" for p, q, h in pairs)), policy)
    assert found.holds is None
    assert found.steps <= MAX_STEPS + 1000
    fewer = [(p, q, h) for p, q, h in pairs if h]  # every hole but one may hold one: now it can be done
    assert subset(of(inside), of(*(f"t?args.p{p}=h{h}&args.p{q}=h{h}" for p, q, h in fewer)), policy).holds is False


def test_long_patterns_are_walked_in_a_line() -> None:
    found = subset(of("t?args.s~" + "a*" * 2000), of("t?args.s~" + "*a" * 2000))
    assert found.holds is False
    assert found.steps < 100_000
