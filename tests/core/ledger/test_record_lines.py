"""Record lines: one canonical form, closed registries, every refusal beside the line it was made from."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhictl.core.ledger import log_keys, record, scan
from nhictl.core.ledger.record import RecordError

PREV = "ab" * 32
ORDER = [
    "v", "ts", "type", "outcome", "actor", "agent", "inst", "task", "jti", "tok", "del", "pdel", "trace", "span",
    "pspan", "op", "tool", "call", "scope", "dec", "c", "src", "ext", "prev",
]  # fmt: skip
LINE = (
    b'{"v":1,"ts":"2026-06-01T12:00:00.000000Z","type":"tool.called","outcome":"ok","agent":"bot","tool":"a.b",'
    b'"ext":{"n":1},"prev":"' + PREV.encode() + b'"}'
)
FIELDS = {
    "ts": "2026-06-01T12:00:00.000000Z", "type": "tool.called", "outcome": "ok", "agent": "bot", "tool": "a.b",
    "ext": {"n": 1},
}  # fmt: skip


def test_the_line_byte_for_byte() -> None:
    assert record.encode(dict(FIELDS), PREV) == LINE
    assert record.decode(LINE) == {"v": 1, **FIELDS, "prev": PREV}


def test_order_is_fixed_whatever_order_was_given_and_prev_is_last() -> None:
    everything = dict.fromkeys(ORDER[1:-1], "x") | {"type": "tool.called", "outcome": "ok"}
    backwards = dict(reversed(list(everything.items())))
    line = record.encode(backwards, PREV)
    assert list(json.loads(line)) == ORDER
    assert line.endswith(b',"prev":"' + PREV.encode() + b'"}')
    assert line == record.encode(everything, PREV)


def test_none_is_left_out_and_empty_is_not() -> None:
    line = record.encode({**FIELDS, "task": None, "ext": {}, "call": ""}, PREV)
    assert b'"task"' not in line
    assert b'"call":"","ext":{}' in line
    assert record.encode(FIELDS, PREV) == record.encode({**FIELDS, "task": None}, PREV)


def test_the_next_prev_is_the_leaf_hash_of_the_line() -> None:
    assert record.next_prev(LINE) == sha256(b"\0" + LINE).hexdigest()
    assert record.GENESIS_PREV == "0" * 64


@pytest.mark.parametrize("kind", sorted(record.TYPES))
def test_every_type_goes_there_and_back(kind: str) -> None:
    line = record.encode({"type": kind, "outcome": "ok"}, PREV)
    assert record.decode(line) == {"v": 1, "type": kind, "outcome": "ok", "prev": PREV}


def test_the_registries_are_closed() -> None:
    nouns = {
        "log": {"genesis", "key_rotated", "redacted", "imported", "exported", "restored"},
        "agent": {"registered", "updated", "suspended", "resumed", "retired", "key_rotated", "svid_issued"},
        "instance": {"suspended", "resumed"}, "task": {"opened", "closed", "killed"},
        "token": {"issued", "delegated", "exchanged", "presented", "denied", "used", "revoked"},
        "trust": {"added", "removed", "published"}, "lease": {"lost", "taken"}, "policy": {"activated", "evaluated"},
        "credential": {"acquired", "revoked", "revoke_failed"},
        "tool": {"called", "returned"}, "message": {"added"}, "approval": {"requested", "granted", "denied", "used"},
        "key": {"prepared", "activated", "tainted", "revoked"}, "authority": {"frozen", "unfrozen"}, "custody": {"changed"},
    }  # fmt: skip
    assert sorted(record.TYPES) == sorted(f"{noun}.{verb}" for noun, verbs in nouns.items() for verb in verbs)
    assert sorted(record.OUTCOMES) == ["deny", "error", "ok"]


BAD_FIELDS: dict[str, dict[str, Any]] = {
    "unknown type": {"type": "token.forged"},
    "no type": {"type": None},
    "type that is a list": {"type": ["tool.called"]},
    "unknown outcome": {"outcome": "maybe"},
    "no outcome": {"outcome": None},
    "outcome that is an object": {"outcome": {}},
    "unknown member": {"extra": 1},
    "prev among the fields": {"prev": PREV},
    "float": {"ext": {"n": 1.5}},
    "float deep inside": {"ext": {"a": [{"b": [1.0]}]}},
    "NaN": {"ext": {"n": float("nan")}},
    "lone surrogate": {"agent": "\ud800"},
    "lone surrogate in a name": {"ext": {"\udfff": 1}},
    "too long": {"ext": {"x": "y" * 65536}},
}


@pytest.mark.parametrize("name", BAD_FIELDS)
def test_not_written(name: str) -> None:
    assert record.encode(dict(FIELDS), PREV)
    with pytest.raises(RecordError):
        record.encode({**FIELDS, **BAD_FIELDS[name]}, PREV)


def test_exactly_the_longest_line_is_written_and_read() -> None:
    room = record.MAX_LINE - len(record.encode({**FIELDS, "ext": {"x": ""}}, PREV))
    line = record.encode({**FIELDS, "ext": {"x": "y" * room}}, PREV)
    assert len(line) == 65536
    assert record.decode(line)["ext"]["x"] == "y" * room
    with pytest.raises(RecordError, match="over 65536"):
        record.encode({**FIELDS, "ext": {"x": "y" * (room + 1)}}, PREV)
    with pytest.raises(RecordError, match="over 65536"):
        record.decode(line.replace(b'"x":"', b'"x":"y', 1))


def changed(old: bytes, new: bytes) -> bytes:
    assert LINE.count(old) == 1, old
    return LINE.replace(old, new)


BAD_LINES: dict[str, bytes] = {
    "empty": b"",
    "garbage": b"garbage",
    "another value": b"[1]",
    "a NUL": b"\0",
    "NUL inside": changed(b'"bot"', b'"b\0t"'),
    "NUL at the end": LINE + b"\0",
    "line feed at the end": LINE + b"\n",
    "carriage return at the end": LINE + b"\r",
    "space inside": changed(b'"v":1,', b'"v": 1,'),
    "space before": b" " + LINE,
    "mark before": b"\xef\xbb\xbf" + LINE,
    "no prev": changed(b',"prev":"' + PREV.encode() + b'"', b""),
    "prev that is a number": changed(b'"' + PREV.encode() + b'"', b"1"),
    "prev that is null": changed(b'"' + PREV.encode() + b'"', b"null"),
    "prev not last": LINE.replace(b'"ext":{"n":1},', b"").replace(b'"}', b'","ext":{"n":1}}'),
    "no version": changed(b'"v":1,', b""),
    "version 2": changed(b'"v":1,', b'"v":2,'),
    "version that is true": changed(b'"v":1,', b'"v":true,'),
    "version 1.0": changed(b'"v":1,', b'"v":1.0,'),
    "version as text": changed(b'"v":1,', b'"v":"1",'),
    "version last": changed(b'{"v":1,', b"{").replace(b',"prev"', b',"v":1,"prev"'),
    "no type": changed(b'"type":"tool.called",', b""),
    "unknown type": changed(b"tool.called", b"tool.faked"),
    "type that is a list": changed(b'"tool.called"', b'["tool.called"]'),
    "type that is an object": changed(b'"tool.called"', b"{}"),
    "no outcome": changed(b'"outcome":"ok",', b""),
    "unknown outcome": changed(b'"ok"', b'"OK"'),
    "outcome that is a list": changed(b'"ok"', b"[]"),
    "unknown member": changed(b'"tool":', b'"tol":'),
    "additional member": changed(b',"prev"', b',"zzz":1,"prev"'),
    "null member": changed(b'"agent":"bot"', b'"agent":null'),
    "duplicate member": changed(b'"agent":"bot"', b'"agent":"bot","agent":"bot"'),
    "duplicate prev": changed(b',"prev"', b',"prev":"' + PREV.encode() + b'","prev"'),
    "duplicate deep inside": changed(b'{"n":1}', b'{"n":1,"n":1}'),
    "wrong order": changed(b'"agent":"bot","tool":"a.b"', b'"tool":"a.b","agent":"bot"'),
    "float": changed(b'{"n":1}', b'{"n":1.5}'),
    "float that is whole": changed(b'{"n":1}', b'{"n":1.0}'),
    "exponent": changed(b'{"n":1}', b'{"n":1e0}'),
    "minus zero": changed(b'{"n":1}', b'{"n":-0}'),
    "NaN": changed(b'{"n":1}', b'{"n":NaN}'),
    "needless escape": changed(b'"bot"', b'"\\u0062ot"'),
    "escaped slash": changed(b'"bot"', b'"b\\/t"'),
    "lone surrogate": changed(b'"bot"', b'"\\ud800"'),
    "invalid utf-8": changed(b'"bot"', b'"\xff"'),
    "too deep": changed(b'{"n":1}', b'{"n":' + b"[" * 40 + b"]" * 40 + b"}"),
    "much too deep": changed(b'{"n":1}', b'{"n":' + b"[" * 30_000 + b"]" * 30_000 + b"}"),
    "huge number": changed(b'{"n":1}', b'{"n":' + b"9" * 5000 + b"}"),
    "too long": changed(b'"bot"', b'"' + b"b" * 65536 + b'"'),
    "two lines": LINE + b"\n" + LINE,
    "cut short": LINE[:-1],
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_LINES)
def test_not_read(name: str) -> None:
    assert record.decode(LINE)
    with pytest.raises(RecordError):
        record.decode(BAD_LINES[name])


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_VALUE = st.recursive(
    st.booleans() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)
_FIELDS = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted(record.TYPES)), "outcome": st.sampled_from(sorted(record.OUTCOMES))},
    optional=dict.fromkeys(ORDER[4:-1], _VALUE),
)


@given(_FIELDS)
def test_what_is_written_reads_back_and_has_one_form(fields: dict[str, Any]) -> None:
    line = record.encode(fields, PREV)
    assert record.decode(line) == {"v": 1, **fields, "prev": PREV}
    assert b"\n" not in line


@given(st.integers(min_value=0, max_value=len(LINE) - 1), st.integers(min_value=1, max_value=255))
def test_a_changed_byte_is_refused_or_reads_as_something_else(at: int, flip: int) -> None:
    other = bytearray(LINE)
    other[at] ^= flip
    try:
        members = record.decode(bytes(other))
    except RecordError:
        return
    assert members != record.decode(LINE)


def test_the_letter_that_tells_a_rotated_key_is_in_no_other_type() -> None:
    fields = {"ts": "2026-11-23T20:00:00.000000Z", "outcome": "ok"}
    lines = {kind: record.encode({**fields, "type": kind}, record.GENESIS_PREV) for kind in record.TYPES}
    at = log_keys.TYPE_AT.start + scan.LETTER
    assert [kind for kind, line in lines.items() if line[at] == log_keys.ROTATED[scan.LETTER]] == ["log.key_rotated"]
