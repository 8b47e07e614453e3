"""Times and durations as text: what is accepted, to the microsecond, and what is refused, each beside a control."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhictl.core import times

SECOND = 1_000_000
AT = 1_795_466_645  # 2026-11-23T20:44:05Z

INSTANTS: dict[str, int] = {
    "1970-01-01T00:00:00Z": 0,
    "1969-12-31T23:59:59.999999Z": -1,
    "2026-11-23T20:44:05Z": AT * SECOND,
    "2026-11-23t20:44:05z": AT * SECOND,
    "2026-11-23 20:44:05Z": AT * SECOND,
    "2026-11-23T20:44:05+00:00": AT * SECOND,
    "2026-11-23T20:44:05-00:00": AT * SECOND,
    "2026-11-23T21:44:05+01:00": AT * SECOND,
    "2026-11-23T15:14:05-05:30": AT * SECOND,
    "2026-11-23T20:44:05.5Z": AT * SECOND + 500_000,
    "2026-11-23T20:44:05.000001Z": AT * SECOND + 1,
    "2026-11-23T20:44:05.123456789Z": AT * SECOND + 123_456,
    "2026-11-23T21:44:05.25+01:00": AT * SECOND + 250_000,
    "2026-11-23": (AT - 74_645) * SECOND,
    "2024-02-29T00:00:00Z": 1_709_164_800 * SECOND,
    "0001-01-01T00:00:00Z": -62_135_596_800 * SECOND,
    "9999-12-31T23:59:59.999999Z": 253_402_300_800 * SECOND - 1,
}


@pytest.mark.parametrize("text", INSTANTS)
def test_instants(text: str) -> None:
    assert times.parse_rfc3339(text) == INSTANTS[text]


NO_INSTANTS = (
    "", "now", "2026", "2026-11", "20261123", "2026-11-23T20:44:05", "2026-11-23T20:44:05.5", "2026-11-23T20:44Z",
    "2026-11-23T20:44+01:00", "2026-11-23T204405+0100", "2026-11-23T20:44:05+0100", "2026-11-23T20:44:05+01",
    "2026-11-23T20:44:05+01:00:00", "2026-11-23T20:44:05,5Z", "2026-11-23T20:44:05.Z", "2026-11-23T20:44:05.+01:00",
    "2026-11-23T20:44:05 Z", "2026-11-23_20:44:05Z", "2026-W48-1T20:44:05Z", "2026-W48-1", "2026-328T20:44:05Z",
    "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-11-31", "2026-11-23T24:00:00Z",
    "2026-11-23T20:60:05Z", "2026-11-23T23:59:60Z", "2026-11-23T20:44:05+24:00", "2026-11-23T20:44:05+01:60",
    "2026-11-23T20:44:05ZZ", "2026-11-23T20:44:05Z ", " 2026-11-23T20:44:05Z", "2026-11-23T20:44:05UTC",
    "2026-11-23T20:44:05Z\n", "2026-11-23T20:44:05.5.5Z", "+2026-11-23T20:44:05Z", "-026-11-23T20:44:05Z",
    "٢٠٢٦-11-23T20:44:05Z", "2026-11-23T20:44:05." + "1" * 60 + "Z", "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2026/11/23T20:44:05Z", "1795466645",
)  # fmt: skip


@pytest.mark.parametrize("text", NO_INSTANTS)
def test_no_instants(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(not an RFC 3339 time|a time )"):
        times.parse_rfc3339(text)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(min_value=-1439, max_value=1439))
def test_any_offset_names_the_same_instant(moment: datetime, minutes: int) -> None:
    text = moment.isoformat(timespec="microseconds")
    at_us = times.parse_rfc3339(text)
    assert times.rfc3339(at_us) == text.replace("+00:00", "Z")
    shifted = at_us + minutes * 60 * SECOND
    if -62_135_596_800 * SECOND <= shifted < 253_402_300_800 * SECOND:
        sign = "-" if minutes < 0 else "+"
        offset = f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
        assert times.parse_rfc3339(times.rfc3339(shifted)[:-1] + offset) == at_us


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=2, max_size=5))
def test_texts_sort_as_times_do(moments: list[datetime]) -> None:
    texts = [times.rfc3339((m - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)) for m in moments]
    assert [m for _, m in sorted(zip(texts, moments, strict=True))] == sorted(moments)


DURATIONS = {"0s": 0, "30s": 30, "15m": 900, "8h": 28_800, "90d": 7_776_000, "007s": 7, "9999999999s": 9_999_999_999}


@pytest.mark.parametrize("text", DURATIONS)
def test_durations(text: str) -> None:
    assert times.parse_duration(text) == DURATIONS[text]


@pytest.mark.parametrize(
    "text",
    ["", "s", "5", "5 m", "-5m", "+5m", "1h30m", "1.5h", "5M", "5w", "5ms", "٥m", "²s", "0x5m", "1_0s", "10000000000s"],
)
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a duration such as"):
        times.parse_duration(text)


@given(st.integers(min_value=0, max_value=9_999_999_999))
def test_a_duration_reads_back(seconds: int) -> None:
    text = times.duration(seconds)
    assert times.parse_duration(text) == seconds
    assert len(text) <= len(f"{seconds}s")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", AT * SECOND + 1),
        ("-15m", (AT - 900) * SECOND + 1),
        ("+1h", (AT + 3600) * SECOND + 1),
        ("1970-01-01", 0),
    ],
)
def test_times_relative_to_now(text: str, expected: int) -> None:
    assert times.parse_time(text, AT * SECOND + 1) == expected


@pytest.mark.parametrize("text", ["-", "+", "--5m", "-5", "Now", "-9999999999d", "+9999999999d", "-90000000h"])
def test_no_times(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(not a duration|not an RFC 3339|a time lies)"):
        times.parse_time(text, AT * SECOND)
