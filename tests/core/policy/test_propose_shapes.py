"""What values look like, each kind with near misses, and which spellings mean the same."""

from __future__ import annotations

from typing import Any

import pytest

from nhictl.core.policy.propose import shapes
from nhictl.core.policy.propose.words import pieces

LOOKS: list[tuple[Any, str]] = [
    ("mira@example.org", "address"),
    ("Mira@Example.ORG", "address"),
    ("@mira", "name"),
    ("mira@localhost", "name"),
    ("mira at example.org", "name"),
    ("a@b.example, c@d.example", "name"),
    ("https://example.org/a", "place"),
    ("s3://bucket/key", "place"),
    ("www.example.org", "place"),
    ("example.org/docs", "place"),
    ("see https://example.org", "name"),
    ("https://user:pw@example.org/", "name"),
    ("notes/2024", "name"),
    ("report.pdf", "path"),
    ("/etc/passwd", "path"),
    ("./build.sh", "path"),
    ("reports/q3.csv", "path"),
    ("e.g. this", "name"),
    ("version 3.5", "name"),
    ("3.14", "name"),
    ("DE89370400440532013000", "account"),
    ("DE89 3704 0044 0532 0130 00", "account"),
    ("DE88 3704 0044 0532 0130 00", "name"),
    ("+49 30 1234567", "account"),
    ("550e8400-e29b-41d4-a716-446655440000", "account"),
    ("general", "name"),
    ("12345678", "account"),
    ("1234", "name"),
    ("2026-05-15", "moment"),
    ("2026-05-15 16:00", "moment"),
    ("2026-05-15T16:00:00Z", "moment"),
    ("2026-13-45", "account"),
    ("15 May 2026", "name"),
    (12, "number"),
    (1.5, "number"),
    (True, "flag"),
    ("one two three four five six seven eight", "name"),
    ("one two three four five six seven eight nine", "text"),
    ("two\nlines", "text"),
    ("x" * 81, "text"),
    ("", "name"),
]


@pytest.mark.parametrize(("value", "look"), LOOKS, ids=repr)
def test_shape(value: Any, look: str) -> None:
    assert shapes.shape(value) == look


@pytest.mark.parametrize(
    "same",
    [
        ("www.example.org", "http://www.example.org", "https://www.example.org/", "HTTPS://WWW.example.org"),
        ("https://example.org/a", "http://example.org/a", "example.org/a"),
        ("Mira@example.org", "mira@example.org"),
        ("2026-05-15 16:00", "2026-05-15T16:00:00"),
        (10, 10.0, "10", "10.0"),
    ],
    ids=lambda same: str(same[0]),
)
def test_spellings_of_one_thing_share_a_key(same: tuple[Any, ...]) -> None:
    assert len({shapes.key(each) for each in same}) == 1
    for each in same:
        assert {shapes.key(spelt) for spelt in shapes.spellings(each)} == {shapes.key(each)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.org/a", "https://example.org/b"),
        ("https://example.org/a", "https://example.org.evil.example/a"),
        ("https://example.org/?a=1", "https://example.org/?a=2"),
        ("ftp://example.org/a", "https://example.org/a"),
        ("general", "General"),
        ("2026-05-15 16:00", "2026-05-15 16:01"),
        ("2026-05-15", "2026-05-15 00:00"),
        (1, True),
        (1, "01"),
        (1, "+1"),
        (1, "1e0"),
        ("1.", "1"),
        ("mira@example.org", "mira@example.com"),
    ],
)
def test_different_things_do_not(one: Any, other: Any) -> None:
    assert shapes.key(one) != shapes.key(other)
    assert other not in [each for each in shapes.spellings(one) if type(each) is type(other)]


def test_spellings_say_nothing_new_of_plain_values() -> None:
    for value in ("general", 12, True, "s3://bucket/key", "2026-05-15", "2026-05-15T16:00:00+02:00", "report.pdf"):
        assert shapes.spellings(value) == [value]


def test_spellings_of_a_moment_keep_its_seconds() -> None:
    assert shapes.spellings("2026-05-15 16:00:07") == ["2026-05-15 16:00:07", "2026-05-15T16:00:07"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("userEmail", ["user", "email"]),
        ("user_email", ["user", "email"]),
        ("to", ["to"]),
        ("HTTPUrl", ["httpurl"]),
        ("", []),
    ],
)
def test_pieces(name: str, words: list[str]) -> None:
    assert pieces(name) == words
