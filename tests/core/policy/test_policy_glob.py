"""Globs: `*` crosses `.` but not `/`, everything else is literal, and hostile patterns stay linear."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhictl.core.policy.glob import Glob

TABLE: list[tuple[str, str, bool]] = [
    ("pay.send", "pay.send", True), ("pay.send", "pay.sendx", False), ("pay.*", "pay.send", True), ("pay.*", "pay.", True),
    ("pay.*", "pay", False), ("*", "a.b.c", True), ("*", "", True), ("*", "a/b", False), ("a/*", "a/b", True),
    ("a/*", "a/b/c", False),
    ("*.read", "crm.x.read", True), ("a*b*c", "aXbYbZc", True), ("a*a", "a", False), ("ab*ba", "aba", False),
    ("*a*", "bab", True),
    ("?", "x", False), ("[ab]", "a", False), ("a.c", "abc", False), ("**", "ab", True), ("a*/b*", "aa/bb", True),
    ("", "", True),
    ("*@corp.example", "a@corp.example", True), ("*@corp.example", "a@corp.example.evil", False),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "text", "wanted"), TABLE)
def test_table(pattern: str, text: str, wanted: bool) -> None:
    assert Glob(pattern).matches(text) is wanted


@given(st.text("ab*/.", max_size=8), st.text("ab/.", max_size=10))
def test_agrees_with_a_regular_expression(pattern: str, text: str) -> None:
    expression = "".join("[^/]*" if char == "*" else re.escape(char) for char in pattern)
    assert Glob(pattern).matches(text) == bool(re.fullmatch(expression, text))


def test_a_hostile_pattern_is_linear() -> None:
    started = time.perf_counter()
    assert not Glob("*a" * 2000 + "b").matches("a" * 20_000)
    assert time.perf_counter() - started < 1
