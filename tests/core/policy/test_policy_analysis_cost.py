"""What analysis costs where it could explode: in calls put to the evaluator rather than seconds."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhictl.core.policy.analysis.compare import compare
from nhictl.core.policy.analysis.lint.run import lint
from nhictl.core.policy.analysis.region import merged
from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.document import parse_policy
from tests.core.policy.policy_help import MONDAY_NOON_US, document

FULL = {"a": 0b1111, "b": 0b111, "c": 0b11}


def exploding(rules: int, shift: int = 0) -> Policy:
    """Permits and forbids of sixteen alternatives each, three optional numbers of sixteen in every one, all overlapping."""
    made: list[dict[str, Any]] = []
    for n in range(rules):
        permits = [
            {f"args.a{(i + j * n) % 16}": {"gt": i + shift, "lt": i + j + n + 2} for j in range(3)} for i in range(16)
        ]
        forbids = [
            {f"args.a{(i + n) % 16}": {"gt": n + 5}, f"args.a{(i + n + 3) % 16}": {"lt": 3, "has": True}}
            for i in range(16)
        ]
        match = {"tools": ["t"]}
        made += [
            {"id": f"P{n}", "effect": "permit", "match": {**match, "agents": ["b"]}, "when": {"any": permits}},
            {"id": f"F{n}", "effect": "forbid", "match": match, "when": {"any": forbids}},
        ]
    args = {f"a{n}": {"type": "number", "optional": True} for n in range(16)}
    return parse_policy([("p", document(tools={"t": {"args": args}}, rules=made))])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The requests that analysis puts to the evaluator."""
    sets: Any = import_module("nhictl.core.policy.analysis.sets")
    seen: list[Any] = []
    decide = sets.decide

    def counting(policy: Policy, agent: Any, request: Any, **more: Any) -> Any:
        seen.append(request)
        return decide(policy, agent, request, **more)

    monkeypatch.setattr(sets, "decide", counting)
    return seen


@pytest.mark.parametrize("rules", [1, 2])
def test_boxes_that_explode_end_and_say_so(rules: int, asked: list[Any]) -> None:
    found = lint(exploding(rules), None, MONDAY_NOON_US)
    assert "permit-forbid-overlap" in {one.rule for one in found}
    assert "undecided whether it applies where an optional value is left out: not decided within 1000000 steps" in {
        one.message for one in found if one.rule == "undecided"
    }
    assert len(asked) < 60_000
    asked.clear()
    compared = compare(exploding(rules), exploding(rules, 1), None, MONDAY_NOON_US)
    assert (compared.verdict, compared.undecided) == ("undecided", {"t": "more than 400 regions of `t`"})
    assert compared.lost
    assert len(asked) < 60_000


class Boxed:
    """A part as `merged` takes it: the witness is its number."""

    def __init__(self, number: int, box: dict[str, int]) -> None:
        self.box, self.witness = box, number


def one_by_one(parts: list[Any]) -> list[tuple[dict[str, int], int]]:
    """Join the first pair that differs in one fact alone, and begin anew."""
    made = [(dict(part.box), part.witness) for part in parts]
    while True:
        for at, (box, shown) in enumerate(made):
            for other in range(at + 1, len(made)):
                differing = [name for name in FULL if box.get(name, FULL[name]) != made[other][0].get(name, FULL[name])]
                if len(differing) == 1:
                    (name,) = differing
                    bits = box.get(name, FULL[name]) | made[other][0].get(name, FULL[name])
                    made[at] = ({**box, name: bits}, shown)
                    del made[other]
                    break
            else:
                continue
            break
        else:
            return made


def _box(bits: tuple[int | None, ...]) -> dict[str, int]:
    return {name: one for name, one in zip(FULL, bits, strict=True) if one is not None}


some_boxes = st.tuples(*(st.none() | st.integers(1, full) for full in FULL.values())).map(_box)


@given(st.lists(some_boxes, max_size=14))
def test_boxes_are_joined_as_if_one_by_one(boxes: list[dict[str, int]]) -> None:
    parts: Any = [Boxed(number, box) for number, box in enumerate(boxes)]
    found: Any = merged(parts, FULL)
    assert found == one_by_one(parts)
