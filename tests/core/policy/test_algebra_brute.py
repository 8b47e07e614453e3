"""A second opinion that shares no code: on small finite worlds, every call there is, judged from the operators' prose."""

from __future__ import annotations

import itertools
import json
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.policy.algebra.regions import subset, union
from nhictl.core.policy.box import box_from_mapping
from nhictl.core.policy.document import parse_policy
from tests.core.policy import reference

# Between 0 and 3 there is no whole number but these; the texts are all there are for conditions that speak of a and b only.
INTEGERS: Final = [-1, 0, 1, 2, 3, 4]
TEXTS: Final = [
    "",
    "z",
    *("".join(t) for n in (1, 2, 3) for t in itertools.product("ab/", repeat=n)),
    "az",
    "za",
    "aza",
    "bz",
]
TOOLS = {"x": {"args": {"n": "integer", "m": {"type": "integer", "optional": True}}},
         "y": {"args": {"s": "string", "b": {"type": "boolean", "optional": True}}},
         "z": {"args": {"l": {"type": ["integer"], "optional": True}}}}  # fmt: skip
POLICY = parse_policy([("p.yaml", json.dumps({"nhictl_policy": 1, "tools": TOOLS}).encode())])
WORLD: Final[dict[str, list[dict[str, Any]]]] = {
    "x": [{"args.n": n, "args.m": m} for n in INTEGERS for m in (None, *INTEGERS)],
    "y": [{"args.s": s, "args.b": b} for s in TEXTS for b in (None, True, False)],
    "z": [{"args.l": list(chosen) or None} for n in range(5) for chosen in itertools.combinations(INTEGERS, n)],
}
whole = st.integers(0, 3)
numeric: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("eq", "ne", "lt", "lte", "gt", "gte"), whole),
    **dict.fromkeys(("in", "not_in"), st.lists(whole, min_size=1, max_size=2, unique=True)), "has": st.booleans(),
}  # fmt: skip
texts = st.text("ab", max_size=2)
textual: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("eq", "ne"), texts), "starts_with": st.sampled_from(["a", "b", "ab"]),
    **dict.fromkeys(("in", "not_in"), st.lists(texts, min_size=1, max_size=2, unique=True)),
    "glob": st.sampled_from(["*", "a*", "*b", "a*b", "*a*", "*/*", "a/*", "*/b"]),
}  # fmt: skip
logical: dict[str, st.SearchStrategy[Any]] = {"eq": st.booleans(), "ne": st.booleans(), "has": st.booleans()}
FACTS = {
    "x": {"args.n": numeric, "args.m": numeric},
    "y": {"args.s": textual, "args.b": logical},
    "z": {"args.l": numeric},
}


@st.composite
def body(draw: Any, operators: dict[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
    chosen = draw(st.lists(st.sampled_from(sorted(operators)), min_size=1, max_size=2, unique=True))
    made = {op: draw(operators[op]) for op in chosen}
    return made if "has" in made or draw(st.integers(0, 2)) else made | {"absent_ok": True}


@st.composite
def scopes(draw: Any) -> tuple[str, list[dict[str, Any]], list[dict[str, Any]]]:
    tool = draw(st.sampled_from(sorted(FACTS)))
    one = st.dictionaries(st.sampled_from(sorted(FACTS[tool])), st.none(), max_size=2).map(list)

    def when() -> dict[str, Any]:
        return {fact: draw(body(FACTS[tool][fact])) for fact in draw(one)}

    return tool, [when() for _ in range(draw(st.integers(1, 2)))], [when() for _ in range(draw(st.integers(1, 4)))]


def met(scope: list[dict[str, Any]], facts: dict[str, Any]) -> bool:
    return any(reference.box(when, facts, "permit") == reference.T for when in scope)


def box(tool: str, when: dict[str, Any]) -> Any:
    return box_from_mapping({"tools": [tool]} | ({"when": when} if when else {}), stored=True)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(scopes())
def test_exactly_as_trying_everything(case: Any) -> None:
    """Decided always, and as enumeration decides: here facts are independent and the world is small."""
    tool, one, other = case
    against = [facts for facts in WORLD[tool] if met(one, facts) and not met(other, facts)]
    found = subset(union(box(tool, w) for w in one), union(box(tool, w) for w in other), POLICY)
    assert found.holds is not None
    if found.holds:
        assert against == []
    else:
        facts = {f"args.{name}": value for name, value in found.witness.args.items()} if found.witness else {}
        # A call that is malformed is let through by boxes without conditions only; the prose here knows none.
        assert met(one, facts)
        assert not met(other, facts) or {} in one
        assert against or {} in one
