"""The pieces that every importer stands on: lines with their places, elements of a text, halves of characters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.formats import elements, surrogates
from nhictl.formats.lines import lines


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """The bytes in pieces of a size."""
    for at in range(0, len(data), size):
        yield data[at : at + size]


LINES: dict[str, tuple[bytes, list[tuple[int, bytes, str | None]]]] = {
    "empty": (b"", []),
    "blank": (b" \n\r\n\n", []),
    "one": (b"ab", [(0, b"ab", None)]),
    "two bytes": (b"a\n", [(0, b"a", None)]),
    "ended": (b"ab\ncd\n", [(0, b"ab", None), (3, b"cd", None)]),
    "CR": (b"ab\r\ncd\r\n", [(0, b"ab", None), (4, b"cd", None)]),
    "mark": (b"\xef\xbb\xbfab\ncd", [(3, b"ab", None), (6, b"cd", None)]),
    "a mark inside is a character": (b"a\n\xef\xbb\xbfb", [(0, b"a", None), (2, b"\xef\xbb\xbfb", None)]),
    "blank between": (b"a\n\n \nb", [(0, b"a", None), (5, b"b", None)]),
    "too long": (b"a\n" + b"x" * 40 + b"\nb\n", [(0, b"a", None), (2, b"x" * 40, "long"), (43, b"b", None)]),
    "too long at the end": (b"a\n" + b"x" * 40, [(0, b"a", None), (2, b"x" * 40, "long")]),
    "two too long": (
        b"x" * 40 + b"\n" + b"y" * 41 + b"\nb",
        [(0, b"x" * 40, "long"), (41, b"y" * 41, "long"), (83, b"b", None)],
    ),
}


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("size", [1, 3, 19, 1000])
def test_lines(name: str, size: int) -> None:
    data, expected = LINES[name]
    found = list(lines(pieces(data, size), limit=20))
    assert [(line.offset, line.length) for line in found] == [(at, len(text)) for at, text, _ in expected]
    for line, (_, text, why) in zip(found, expected, strict=True):
        assert (line.why is None) == (why is None)
        assert text.startswith(line.data)
        if why is not None:
            assert line.digest == sha256(text).hexdigest()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b" ", b"x" * 25, b"\xef\xbb\xbf"]), max_size=30),
    st.integers(1, 9),
)
def test_lines_are_the_same_in_any_pieces(parts: list[bytes], size: int) -> None:
    data = b"".join(parts)
    whole = list(lines([data] if data else [], limit=20))
    assert list(lines(pieces(data, size), limit=20)) == whole
    skip = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    expected = [part if len(part) > 20 else part.rstrip(b"\r") for part in data[skip:].split(b"\n")]
    assert [line.length for line in whole] == [len(part) for part in expected if part.strip() or len(part) > 20]


ELEMENTS: dict[str, tuple[bytes, list[str], str | None]] = {
    "a list": (b'[1, {"a": 2}]', ["1", '{"a": 2}'], None),
    "a member": (b'{"x": 1, "rows": [1, 2], "y": 2}', ["1", "2"], None),
    "empty": (b"[]", [], None),
    "a bad element": (b'[1, {"a": 1, "a": 2}, 3]', ["1", '{"a": 1, "a": 2}', "3"], "duplicate member `a`"),
    "cut in an element": (b'[1, {"a": ', ["1", '{"a": '], "not JSON from here on"),
    "cut after an element": (b"[1", ["1", ""], "the text ends inside a list"),
    "cut in the object": (b'{"rows": [1], "y": 2', ["1", ""], "the text ends inside an object"),
    "no comma": (b"[1 2]", ["1", "2]"], "a comma is missing"),
    "more behind": (b"[1] 2", ["1", "2"], "further text after the end"),
    "twice": (b'{"rows": [1], "rows": [2]}', ["1", '"rows": [2]}'], "duplicate member `rows`"),
    "not UTF-8": (b'["\xc3\xa9", "\xff"]', ['"\xe9"', '"'], "invalid UTF-8 at byte 8"),
    "a mark": (b"\xef\xbb\xbf[1]", ["1"], None),
}


@pytest.mark.parametrize("name", ELEMENTS)
def test_elements_and_their_places(name: str) -> None:
    data, texts, why = ELEMENTS[name]
    found = [element for _, element in elements.Elements(data, ("rows",), 20)]
    assert [data[one.offset : one.offset + one.length].decode("utf-8", "ignore") for one in found] == texts
    assert [one.why for one in found if one.why is not None] == ([why] if why else [])
    for one in found:
        if one.why is None:
            assert json.loads(data[one.offset : one.offset + one.length]) == one.value


HALVES: dict[str, tuple[str, str]] = {
    "none": (r'"a\u00e9"', "aé"),
    "a pair": (r'"\ud83d\ude00"', "😀"),
    "first half": (r'"a\ud83d"', "a\ufffd"),
    "second half": (r'"\uDE00a"', "\ufffda"),
    "two first halves": (r'"\ud83d\ud83d\ude00"', "\ufffd😀"),
    "a half and another escape": (r'"\ud83d\n\u0041"', "\ufffd\nA"),
    "an escaped backslash before": (r'"\\ud83d"', "\\ud83d"),
    "an escaped backslash, then a half": (r'"\\\\\ud83d"', "\\\\\ufffd"),
}


@pytest.mark.parametrize("name", HALVES)
def test_halves_of_characters(name: str) -> None:
    text, expected = HALVES[name]
    assert json.loads(surrogates.mended(text)) == expected
