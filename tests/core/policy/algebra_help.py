"""Boxes and calls for the tests of the set algebra: drawn by hypothesis, biased to where conditions meet and part."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final

from hypothesis import strategies as st

from nhictl.core.policy.algebra import regions
from nhictl.core.policy.box import Box, box_from_mapping, parse_box, scope_verdict
from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.document import parse_policy


def optional(kind: Any, **more: Any) -> dict[str, Any]:
    """An argument that may be left out."""
    return {"type": kind, "optional": True, **more}


TOOLS: Final[dict[str, Any]] = {
    "t.a": {
        "args": {
            "n": "number", "i": optional("integer"), "s": optional("string"), "f": optional("string", fold=True),
            "b": optional("boolean"), "w": optional("timestamp"),
        },
        "resource": "uri",
    },
    "t.b": {
        "args": {
            "u": optional("uri"), "h": optional("host"), "p": optional("path"), "e": optional("email"),
            "l": optional(["string"]), "k": ["number"],
        },
        "resource": "path",
    },
    "t.c": {
        "args": {
            "o": optional({"x": "string", "y": optional("number"), "q": optional({"z": "string", "v": ["string"]})}),
            "r": {"type": {"m": "integer"}},
        }
    },
    "t.d": {"args": "open", "resource": "string"},
    "d.e": {"args": {"k": "string", "v": optional("string")}, "resource": "s3://x/{args.k}"},
}  # fmt: skip
POLICY: Final[Policy] = parse_policy([("p.yaml", json.dumps({"nhictl_policy": 1, "tools": TOOLS}).encode())])
FACTS: Final[dict[str, dict[str, str]]] = {
    "t.a": {"n": "number", "i": "integer", "s": "string", "f": "folded", "b": "boolean", "w": "timestamp"},
    "t.b": {"u": "uri", "h": "host", "p": "path", "e": "email", "l": "strings", "k": "numbers"},
    "t.c": {"o.x": "string", "o.y": "number", "o.q.z": "string", "o.q.v": "strings", "r.m": "integer"},
    "t.d": {"z": "untyped"},
    "d.e": {"k": "string", "v": "string"},
    "u.x": {"n": "untyped", "s": "untyped"},
}
NAMES: Final = {
    "t.a": ["t.a", "t.*", "*.a"], "t.b": ["t.b", "t.*", "*"], "t.c": ["t.c", "t*"], "t.d": ["t.d"],
    "d.e": ["d.e", "d*"], "u.x": ["u.x", "u.*", "*.x", "u*"],
}  # fmt: skip
URIS = ["s3://a", "s3://a/b", "s3://c", "https://h.x/a", "s3://x/a"]
PATHS = ["/a", "/a/b", "a", "/", "/c"]
NUMBERS = [0, 1, 2, 3, 1.5, -1, 2.5]
WORDS = ["a", "ab", "b", "a/b", "", "ba", "A", "x"]
VALUES: Final[dict[str, list[Any]]] = {
    "number": NUMBERS, "integer": [0, 1, 2, 3, -1], "string": WORDS, "folded": ["a", "ab", "b"], "boolean": [True, False],
    "timestamp": ["2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", "2027-01-01T00:00:00Z"], "uri": URIS, "path": PATHS,
    "host": ["a.x", "x", "b.a.x", "y.z"], "email": ["a@x.y", "b@x.y", "a@z.y"],
    "untyped": [*NUMBERS, *WORDS, True, False, *URIS], "resource": [*URIS, *PATHS, "ab"],
}  # fmt: skip
BESIDE: Final[dict[str, list[Any]]] = {
    "number": [Decimal("0.25"), 5, -7], "integer": [9, -9], "string": ["aab", "a/", "abab"], "folded": [" C "],
    "timestamp": ["2026-06-01T00:00:00Z", "2020-01-01T00:00:00+01:00"], "uri": ["s3://a/b/c", "S3://AB", "http://zz/"],
    "host": ["c.a.X", "ax"], "path": ["/a/b/c/", "/ab"], "email": ["q@x.y", " a@Q.y"],
    "untyped": ["S3://A/", "/a/b/c", "aab", Decimal("0.25"), {"z": 1}, "s3://a/../b"], "resource": ["/a/c", "S3://A/b", "bb"],
}  # fmt: skip
GLOBS: Final[dict[str, list[str]]] = {
    "uri": ["s3://a/*", "*://a", "s3://*", "s3://*/b"], "host": ["*.x", "*.*", "a*"], "path": ["/a/*", "/*", "a*"],
    "email": ["*@x.y", "a@*", "*@*.y"], "resource": ["s3://a/*", "/a/*", "*", "a*"],
}  # fmt: skip
_EQUAL, _ORDER = ["eq", "ne", "in", "not_in", "has"], ["lt", "lte", "gt", "gte"]
OPERATORS: Final[dict[str, list[str]]] = {
    "boolean": _EQUAL, "string": [*_EQUAL, "glob", "starts_with"], "folded": [*_EQUAL, "glob", "starts_with"],
    "email": [*_EQUAL, "glob"], "untyped": [*_EQUAL, *_ORDER, "glob", "starts_with", "under"],
    **{kind: [*_EQUAL, *_ORDER] for kind in ("number", "integer", "timestamp")},
    **{kind: [*_EQUAL, "glob", "under"] for kind in ("uri", "path", "host", "resource")},
}  # fmt: skip


def element(kind: str) -> str:
    """The kind of one value."""
    return {"strings": "string", "numbers": "number"}.get(kind, kind)


@st.composite
def conditions(draw: Any, kind: str) -> dict[str, Any]:
    """One or two operators on a fact."""
    made: dict[str, Any] = {}
    kind = element(kind)
    values = st.sampled_from(VALUES[kind])
    for op in draw(st.lists(st.sampled_from(OPERATORS[kind]), min_size=1, max_size=2, unique=True)):
        if op == "has":
            made[op] = draw(st.booleans())
        elif op in ("in", "not_in"):
            made[op] = draw(st.lists(values, min_size=1, max_size=3))
        elif op == "glob":
            made[op] = draw(st.sampled_from(GLOBS.get(kind, ["*", "a*", "*b", "a/*", "*a*b", "a*b*", "s3://*"])))
        elif op == "starts_with":
            made[op] = draw(st.sampled_from(["a", "ab", "s", "b"]))
        elif op == "under":
            made[op] = draw(
                st.sampled_from({"uri": URIS, "path": PATHS, "host": VALUES["host"]}.get(kind, URIS + PATHS))
            )
        elif op in _ORDER and kind == "untyped":
            made[op] = draw(st.sampled_from(NUMBERS))
        else:
            made[op] = draw(values)
    if "has" not in made and draw(st.integers(0, 3)) == 0:
        made["absent_ok"] = True
    return made


@st.composite
def boxes(draw: Any, tool: str, *, same: bool = False) -> Box:
    """A box that names the tool, among others perhaps."""
    made: dict[str, Any] = {"tools": draw(st.lists(st.sampled_from(NAMES[tool]), min_size=1, max_size=2, unique=True))}
    if draw(st.integers(0, 2)) == 0:
        made["resource"] = draw(st.sampled_from(URIS + PATHS))
    facts = draw(st.lists(st.sampled_from(sorted(FACTS[tool])), max_size=3, unique=True))
    when = {f"args.{name}": draw(conditions(FACTS[tool][name])) for name in facts}
    if draw(st.integers(0, 4)) == 0:
        when["resource"] = draw(conditions("resource"))
    if same and facts and draw(st.booleans()):
        when[f"args.{facts[0]}"] = {"same_as": f"args.{draw(st.sampled_from(sorted(FACTS[tool])))}"}
    if when:
        made["when"] = when
    return box_from_mapping(made, stored=True)


@st.composite
def values_of(draw: Any, kind: str) -> Any:
    """A value that a condition may name, or one beside it; for a list, several."""
    one = st.sampled_from(VALUES[element(kind)] + BESIDE.get(element(kind), []))
    many = kind != element(kind) or (kind == "untyped" and draw(st.integers(0, 3)) == 0)
    return draw(st.lists(one, max_size=3)) if many else draw(one)


@st.composite
def calls(draw: Any, tool: str) -> tuple[str, dict[str, Any], str | None]:
    """A call to the tool; most are valid."""
    args: dict[str, Any] = {}
    for name, kind in FACTS[tool].items():
        if draw(st.integers(0, 3)):
            *around, last = name.split(".")
            below: dict[str, Any] = args
            for part in around:
                below = below.setdefault(part, {})
            below[last] = draw(values_of(kind))
    needed: dict[str, dict[str, Any]] = {
        "t.a": {"n": 1}, "t.b": {"k": []}, "t.c": {"r": {"m": 1}}, "d.e": {"k": "a"},
    }  # fmt: skip
    args = needed.get(tool, {}) | args
    kind = {"t.a": "uri", "t.b": "path"}.get(tool, "resource")
    none = tool in ("t.c", "d.e") or draw(st.integers(0, 4)) == 0
    return tool, args, None if none else draw(values_of(kind))


@st.composite
def cases(draw: Any, *, same: bool = False, most: int = 4) -> tuple[list[Box], list[Box], list[Any]]:
    """Two scopes about one tool, and calls to it."""
    tool = draw(st.sampled_from(sorted(FACTS)))
    one = draw(st.lists(boxes(tool, same=same), min_size=1, max_size=2))
    other = draw(st.lists(boxes(tool, same=same), min_size=1, max_size=most))
    if draw(st.integers(0, 3)) == 0:
        other.append(one[0])
    return one, other, draw(st.lists(calls(tool), min_size=8, max_size=8))


def covered(scope: list[Box], call: tuple[str, dict[str, Any], str | None]) -> bool:
    """What the evaluator says of a call."""
    return scope_verdict(scope, POLICY, *call).covered


def of(*texts: str) -> regions.Set:
    """The set of boxes in their one-line form, without a catalogue."""
    return regions.union(parse_box(text) for text in texts)


def shown(scope: list[Box]) -> list[dict[str, Any]]:
    """For messages."""
    return [box.to_mapping() for box in scope]
