"""Bytes on their way in: packed, cut, broken, hostile, in any pieces; nothing is lost and memory stays bounded."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl import formats
from nhictl.formats import claude_code, unpacked, window
from nhictl.formats.imported import ForeignFormatError, Imported
from nhictl.formats.lines import lines
from tests.formats.logs import calls, check, told
from tests.formats.logs import lines as written
from tests.formats.test_claude_code import BASH, result, use
from tests.formats.test_lines import pieces

LOG = written(use("a", BASH), result("b", "t1", "x"), use("c", ("t2", "Read", {"p": "é"})))


def unpack(chunks: Iterator[bytes]) -> tuple[bytes, str | None]:
    made = b""
    try:
        for chunk in unpacked.unpacked(chunks):
            made += chunk
    except unpacked.CutShortError as e:
        return made, str(e)
    return made, None


PACKED = gzip.compress(LOG, mtime=0)
GZIP: dict[str, tuple[bytes, bytes, str | None]] = {
    "plain": (LOG, LOG, None),
    "empty": (b"", b"", None),
    "one byte": (b"\x1f", b"\x1f", None),
    "packed": (PACKED, LOG, None),
    "two members": (PACKED + PACKED, LOG + LOG, None),
    "filled up with zeros": (PACKED + bytes(700), LOG, None),
    "nothing, packed": (gzip.compress(b"", mtime=0), b"", None),
    "cut off": (PACKED[:-9], LOG, "the gzip stream is cut off"),
    "other bytes behind": (PACKED + b"hello", LOG, "other bytes follow the gzip stream"),
    "wrong sum": (PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:], LOG, "the gzip stream is damaged"),
}


@pytest.mark.parametrize("name", GZIP)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_gzip(name: str, size: int) -> None:
    data, expected, why = GZIP[name]
    made, told_why = unpack(pieces(data, size))
    assert told_why == why
    assert expected.startswith(made)
    assert why is not None or made == expected


def test_a_bomb_is_defused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacked, "FREE_BYTES", 1 << 22)
    bomb = gzip.compress(bytes(64 << 20), 9)
    tracemalloc.start()
    try:
        size, why = 0, None
        try:
            for chunk in unpacked.unpacked([bomb]):
                size += len(chunk)
        except unpacked.CutShortError as e:
            why = str(e)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert why == "unpacks to more than 300 times its size"
    assert size < 32 << 20
    assert peak < 8 << 20


def test_a_good_log_that_packs_very_well_is_read() -> None:
    data = b'{"type":"summary","leafUuid":"x","summary":"y"}\n' * 10_000
    made = formats.read("claude-code", gzip.compress(data, 9, mtime=0), run="r", file="f")
    assert (made.parsed, made.failed) == (10_000, 0)


def test_memory_does_not_grow_with_a_long_line() -> None:
    def source() -> Iterator[bytes]:
        yield b'{"type":"summary","x":"'
        for _ in range(100):
            yield b"y" * (1 << 20)
        yield b'"}\n' + LOG

    tracemalloc.start()
    try:
        found = list(lines(source()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [line.why is None for line in found] == [False, True, True, True]
    assert found[0].length == (100 << 20) + 25
    assert peak < 110 << 20  # the limit of a line, a copy while it grows, and what follows


def test_memory_does_not_grow_with_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "EVENTS", 64)
    monkeypatch.setattr(claude_code, "_REMEMBERED", 64)

    def source(count: int) -> Iterator[bytes]:
        for number in range(count):
            yield written(
                use(f"u{number}", (f"t{number}", "Bash", {"c": "x" * 200})),
                result(f"r{number}", f"t{number}", "y" * 200),
            )

    def peak(count: int) -> int:
        reading = formats.begin("claude-code", run="r", file="f", digest=lambda: None)
        tracemalloc.start()
        try:
            assert sum(event.n is not None for event in reading.events(source(count))) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(400) < 1.3 * peak(200)


def test_a_result_that_comes_too_late_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "EVENTS", 4)
    many = [use(f"u{n}", (f"x{n}", "Read", {})) for n in range(6)]
    made = formats.read("claude-code", written(use("a", BASH), *many, result("b", "t1", "x")), run="r", file="f")
    assert told(made)[0] == ("Bash", BASH[2], "t1", "unknown", None)
    assert [e.call for e in made.events if e.type == "tool.returned"] == ["t1"]
    assert any("no call fits" in sentence for sentence in made.problems)


def test_too_long_to_be_sorted_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "EVENTS", 4)
    events = [
        {"eventName": "A", "eventSource": "s3", "eventID": f"e{n}", "eventTime": f"2026-03-01T10:00:{30 - n:02}Z"}
        for n in range(20)
    ]
    made = formats.read("cloudtrail", written(*events), run="r", file="f")
    assert len(calls(made)) == 20
    assert any("order of time" in sentence for sentence in made.problems)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 600), st.booleans())
def test_a_log_is_the_same_in_any_pieces(size: int, packed: bool) -> None:
    data = gzip.compress(LOG, mtime=0) if packed else LOG
    whole = [event.to_json() for event in formats.read("claude-code", LOG, run="r", file="f").events]
    reading = formats.begin("claude-code", run="r", file="f", digest=lambda: None)
    assert [event.to_json() for event in reading.events(unpacked.unpacked(pieces(data, size)))] == whole


@pytest.mark.parametrize("cut", range(1, len(LOG), 23))
def test_every_cut_of_a_log_loses_nothing_silently(cut: int) -> None:
    data = LOG[:cut]
    last = data.rpartition(b"\n")[2]
    torn = bool(last.strip()) and LOG[cut : cut + 1] != b"\n"
    whole = data.count(b"\n") + (bool(last.strip()) and not torn)
    if not whole:
        with pytest.raises(ForeignFormatError):
            formats.read("claude-code", data, run="r", file="f")
        return
    made = formats.read("claude-code", data, run="r", file="f")
    check(made)
    assert (made.parsed, made.failed) == (whole, int(torn))


def test_a_packed_log_cut_off_says_so() -> None:
    packed = gzip.compress(LOG * 50, mtime=0)
    made = formats.read("claude-code", packed[: len(packed) // 2], run="r", file="f")
    check(made)
    assert made.failed in (1, 2)
    assert any("the gzip stream is cut off" in sentence for sentence in made.problems)


@pytest.mark.parametrize("name", [name for name in formats.FORMATS if name not in ("agentdojo", "generic")])
@pytest.mark.parametrize(
    "data",
    [b"", b"\n\n", b"\x00" * 100, b"\xff\xfe{\x00}\x00", bytes(range(256)), b"{" * 100_000, b"[" * 100_000, b"[1,2", b'{"a":',
     b'"text"', b"null\nnull\n", b"[]", b"{}", b"NaN", b"[NaN]", b'{"Records":[NaN,{}]}', b'{"Records": 5, "Records": []}',
     b"9" * 5000, b'{"data":[[[[]]]]}', b'{"resourceSpans":[{"scopeSpans":[{"spans":[[],{},null]}]}]}', b'{"trajectory":[[]]}',
     b'{"jsonrpc":"2.0","id":{"a":[1]},"result":{}}', b"PK\x03\x04", zlib.compress(LOG), PACKED[:5]],
    ids=lambda data: repr(data[:24]),
)  # fmt: skip
def test_hostile_bytes_get_an_answer(name: str, data: bytes) -> None:
    reading = formats.begin(name, run="r", file="f", digest=lambda: "0" * 64)
    events = list(reading.events(unpacked.unpacked([data])))
    check(Imported(name, events, parsed=reading.parsed, opaque=reading.opaque, failed=reading.failed, problems=[]))
    refusal = reading.refusal()
    assert refusal is None or refusal.message.startswith("f: no record of")
    assert bool(reading.failed) <= bool(reading.problems)


def test_the_wrong_format_is_refused_and_says_what_it_looks_like() -> None:
    for name in ("codex", "mcp", "cloudtrail", "openai-agents"):
        with pytest.raises(ForeignFormatError) as caught:
            formats.read(name, LOG, run="r", file="f")
        assert caught.value.hint == "it looks like claude-code"


def test_two_formats_in_one_file() -> None:
    other = [{"jsonrpc": "2.0", "id": n, "method": "ping"} for n in range(2)]
    data = LOG + written(*other)
    assert formats.sniff(data) == "claude-code"
    made = formats.read("claude-code", data, run="r", file="f")
    assert (made.parsed, made.opaque, made.failed) == (3, 2, 0)
    assert formats.sniff(written(*other, *other) + LOG) == "mcp"


def test_a_call_is_not_lost_for_half_a_character() -> None:
    data = written(use("a", BASH), result("b", "t1", "cut \ud83d"))
    made = formats.read("claude-code", data, run="r", file="f")
    assert told(made) == [("Bash", BASH[2], "t1", "ok", "cut \ufffd")]
    assert made.problems == ["f: half of a character, replaced by U+FFFD: record 2"]
