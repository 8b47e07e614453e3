"""Command-line arguments become values, and a compiled policy of another version is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.policy.catalogue import coerce_arguments
from nhictl.core.policy.compiled import Policy
from tests.core.policy.policy_help import make_policy

ROOT = Path(__file__).parents[3]
TOOLS: dict[str, Any] = {
    "t": {
        "args": {
            "n": "number", "i": "integer", "b": "boolean", "s": "string", "l": ["string"], "m": ["number"],
            "o": {"type": {"a": "number", "b": {"type": "string", "optional": True}}},
        }
    }
}  # fmt: skip
TYPED: list[tuple[list[tuple[str, str]], dict[str, Any]]] = [
    ([("n", "5"), ("n2", "x")], {"n": 5, "n2": "x"}), ([("n", "5.0")], {"n": 5.0}), ([("n", "x")], {"n": "x"}),
    ([("n", "0.1000000000000000055")], {"n": Decimal("0.1000000000000000055")}), ([("i", "5")], {"i": 5}),
    ([("b", "true")], {"b": True}),
    ([("s", "5")], {"s": "5"}), ([("s", "true")], {"s": "true"}), ([("s", '"q"')], {"s": '"q"'}), ([("l", "1")], {"l": ["1"]}),
    ([("l", "a"), ("l", "b")], {"l": ["a", "b"]}), ([("l", '["a","b"]')], {"l": ["a", "b"]}), ([("m", "1"),
    ("m", "2")], {"m": [1, 2]}),
    ([("o.a", "1"), ("o.b", "1")], {"o": {"a": 1, "b": "1"}}), ([("o", '{"a":1}')], {"o": {"a": 1}}), ([("s", "a"),
    ("s", "b")], {"s": ["a", "b"]}),
]  # fmt: skip
UNTYPED: list[tuple[list[tuple[str, str]], dict[str, Any]]] = [
    ([("a", "5"), ("b", "x"), ("c", "true"), ("d", '"5"'), ("e", "null")], {"a": 5, "b": "x", "c": True, "d": "5", "e": None}),
    ([("a", "1"), ("a", "x")], {"a": [1, "x"]}), ([("a", "[1]")], {"a": "[1]"}), ([("a", "NaN")], {"a": "NaN"}),
    ([("a", "01")], {"a": "01"}),
    ([("a", "1e999")], {"a": "1e999"}), ([("a.b", "1")], {"a.b": 1}), ([("a", "-")], {"a": "-"}),
    ([("a", "9" * 60)], {"a": "9" * 60}),
]  # fmt: skip


@pytest.mark.parametrize(("pairs", "wanted"), TYPED)
def test_typed(pairs: list[tuple[str, str]], wanted: dict[str, Any]) -> None:
    assert repr(coerce_arguments(make_policy([], tools=TOOLS), "t", pairs)) == repr(wanted)


@pytest.mark.parametrize(("pairs", "wanted"), UNTYPED)
def test_untyped(pairs: list[tuple[str, str]], wanted: dict[str, Any]) -> None:
    assert repr(coerce_arguments(None, "t", pairs)) == repr(wanted)


def test_a_name_that_is_both_whole_and_dotted_is_refused_by_validation() -> None:
    made = coerce_arguments(make_policy([], tools=TOOLS), "t", [("o.a", "1"), ("o", "x")])
    assert made == {"o": "x"}


@pytest.mark.parametrize("data", [b"{}", b"[]", b'{"nhictl_compiled_policy": 99}', b"x"])
def test_compiled_forms_of_another_version_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Policy.from_json(data)


def test_the_decision_path_imports_no_yaml_and_nothing_slow() -> None:
    code = (
        "import sys\n"
        "from nhictl.core.policy.compiled import Policy\nfrom nhictl.core.policy.decide import decide\n"
        "from nhictl.core.policy.registry import Agent\nfrom nhictl.core.policy.request import Request\n"
        "p = Policy.from_json(sys.stdin.buffer.read())\n"
        "d = decide(p, Agent('bot', 'o', 'p'), Request('bot', 'pay.send', {'amount': 1, 'currency': 'EUR'}))\n"
        "assert d.allowed\n"
        "bad = {'yaml', 'decimal', 'datetime', 'zoneinfo', 'ipaddress', 'difflib', 'dataclasses', 'urllib', 'logging'}\n"
        "import json\nprint(json.dumps(sorted(bad & set(sys.modules))))\n"
    )
    policy = make_policy([{"match": {"tools": ["pay.send"]}, "when": {"args.amount": {"lte": 5}}}])
    done = subprocess.run(
        [sys.executable, "-c", code], input=policy.to_json(), capture_output=True, check=True, cwd=ROOT
    )
    assert json.loads(done.stdout) == []
