"""Strict JSON: what two readers could understand differently is refused; each fault alone, beside a control."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhictl.core import strict_json
from nhictl.core.strict_json import DuplicateMemberError, StrictJSONError

GOOD: dict[str, tuple[bytes | str, Any]] = {
    "object": (b'{"a":1}', {"a": 1}),
    "order kept": (b'{"b":1,"a":2}', {"b": 1, "a": 2}),
    "white space around": (b' \t\r\n{"a" : 1}\n', {"a": 1}),
    "text instead of bytes": ('"\u00e9"', "\u00e9"),
    "utf-8": ('"é€😀"'.encode(), "é€😀"),
    "surrogate pair as escapes": (b'"\\ud83d\\ude00"', "😀"),
    "escaped NUL": (b'"\\u0000"', "\0"),
    "large double": (b"1e308", 1e308),
    "a thousand digits": (b"9" * 1000, int("9" * 1000)),
    "depth 32": (b"[" * 32 + b"1" + b"]" * 32, None),
    "depth 32, empty": (b"[" * 32 + b"]" * 32, None),
    "same name in two objects": (b'[{"a":1},{"a":1}]', [{"a": 1}, {"a": 1}]),
}


@pytest.mark.parametrize("name", GOOD)
def test_accepted(name: str) -> None:
    text, value = GOOD[name]
    assert strict_json.loads(text) == (json.loads(text) if value is None else value)


BAD: dict[str, tuple[bytes | str, str]] = {
    "nothing": (b"", "expecting value"),
    "utf-8 mark": (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
    "utf-16 mark": (b'\xff\xfe{"a":1}', "byte order mark"),
    "utf-16 mark, other order": (b'\xfe\xff{"a":1}', "byte order mark"),
    "mark in text": ('\ufeff{"a":1}', "expecting value"),
    "invalid utf-8": (b'{"a":"\xff"}', "invalid UTF-8 at byte 6"),
    "overlong utf-8": (b'"\xc0\x80"', "invalid UTF-8 at byte 1"),
    "surrogate as utf-8": (b'"\xed\xa0\x80"', "invalid UTF-8 at byte 1"),
    "lone surrogate": (b'"\\ud83d"', "lone surrogate"),
    "lone low surrogate": (b'["x\\ude00"]', "lone surrogate"),
    "lone surrogate in a name": (b'{"\\ud83d":1}', "lone surrogate"),
    "lone surrogate deep inside": (b'{"a":[{"b":["\\ud83d"]}]}', "lone surrogate"),
    "duplicate member": (b'{"a":1,"a":1}', "duplicate member `a`"),
    "duplicate by escape": (b'{"a":1,"\\u0061":2}', "duplicate member `a`"),
    "duplicate deep inside": (b'[{"x":{"a":1,"b":2,"a":3}}]', "duplicate member `a`"),
    "NaN": (b"NaN", "`NaN` is not JSON"),
    "Infinity": (b'{"a":Infinity}', "`Infinity` is not JSON"),
    "-Infinity": (b"[-Infinity]", "`-Infinity` is not JSON"),
    "overflow": (b"1e400", "number out of range"),
    "negative overflow": (b"[-1e400]", "number out of range"),
    "too many digits": (b"9" * 1001, "too many digits"),
    "very many digits": (b"9" * 100_000, "too many digits"),
    "depth 33": (b"[" * 33 + b"1" + b"]" * 33, "nested deeper than 32"),
    "depth 33, empty": (b"[" * 33 + b"]" * 33, "nested deeper than 32"),
    "depth 33 in objects": (b'{"a":' * 33 + b"1" + b"}" * 33, "nested deeper than 32"),
    "depth that would exhaust the stack": (b"[" * 200_000, "nested deeper than 32"),
    "raw NUL in a string": (b'"\0"', "invalid control character"),
    "raw line feed in a string": (b'"\n"', "invalid control character"),
    "NUL after": (b"1\0", "extra data"),
    "two values": (b"1 2", "extra data"),
    "trailing comma": (b"[1,]", "expecting value|trailing comma"),
    "single quotes": (b"{'a':1}", "expecting property name"),
    "comment": (b"1//", "extra data"),
    "leading zero": (b"01", "extra data"),
    "plus": (b"+1", "expecting value"),
    "bare point": (b".5", "expecting value"),
    "other digits": ("\u0661".encode(), "expecting value"),
    "no-break space": ('\u00a0{"a":1}'.encode(), "expecting value"),
    "cut short": (b'{"a":', "expecting value"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name: str) -> None:
    text, why = BAD[name]
    with pytest.raises(StrictJSONError, match=why.replace("`", ".")):
        strict_json.loads(text)


def test_a_duplicate_has_its_own_class() -> None:
    with pytest.raises(DuplicateMemberError):
        strict_json.loads(b'{"a":1,"a":2}')
    with pytest.raises(StrictJSONError) as caught:
        strict_json.loads(b'{"a":1,}')
    assert not isinstance(caught.value, DuplicateMemberError)


def test_the_place_of_a_fault_counts_from_one() -> None:
    with pytest.raises(StrictJSONError) as caught:
        strict_json.loads(b'{"a":1,\n "b":x}')
    assert (caught.value.line, caught.value.column) == (2, 6)


def test_depth_is_the_callers_to_choose() -> None:
    deep = b"[" * 200 + b"]" * 200
    assert strict_json.loads(deep, max_depth=200)
    with pytest.raises(StrictJSONError, match="199"):
        strict_json.loads(deep, max_depth=199)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(_VALUES)
def test_what_is_written_reads_back(value: Any) -> None:
    text = strict_json.dumps(value)
    assert strict_json.loads(text) == value
    assert strict_json.loads(text.encode()) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_no_constant_is_ever_written(value: float) -> None:
    assert strict_json.dumps(1.5) == "1.5"
    with pytest.raises(ValueError, match="not JSON compliant"):
        strict_json.dumps([value])


def test_written_compactly_and_in_the_order_given() -> None:
    assert strict_json.dumps({"b": [1, "é"], "a": None}) == '{"b":[1,"é"],"a":null}'


@given(st.binary(max_size=60))
def test_garbage_is_refused_or_read_as_the_lenient_reader_does(data: bytes) -> None:
    try:
        value = strict_json.loads(data)
    except StrictJSONError:
        return
    assert value == json.loads(data.decode())
