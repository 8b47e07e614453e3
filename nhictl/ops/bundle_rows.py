"""Which records an evidence bundle is made of: those asked for, and those that name the log's keys."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from nhictl.core import times
from nhictl.core.ledger import record
from nhictl.core.ledger.log_keys import ROTATED, TYPE_AT
from nhictl.errors import InputError, UnsafeError
from nhictl.formats import verify_bundle
from nhictl.ops.segment_files import Rows
from nhictl.store import log

MAX_BYTES: Final = verify_bundle.MAX_BYTES // 2
_NAMES: Final = {"agent": ("agent",), "task": ("task",), "token": ("jti", "del", "pdel")}


class Wanted(NamedTuple):
    """Which records: those that name all that is asked for, between two moments (µs, inclusive); None asks nothing."""

    agent: str | None = None
    task: str | None = None
    token: str | None = None
    since_us: int | None = None
    until_us: int | None = None

    def fits(self, line: bytes) -> dict[str, Any] | None:
        """The members of a line that is asked for, else None; one that is no record is nobody's."""
        named = {name: value for name in _NAMES if (value := getattr(self, name)) is not None}
        if any(json.dumps(value, ensure_ascii=False).encode() not in line for value in named.values()):
            return None  # without parsing: our own lines have one form
        try:
            value = record.decode(line)
        except record.RecordError:
            return None
        if any(all(value.get(member) != wanted for member in _NAMES[name]) for name, wanted in named.items()):
            return None
        at_us = times.parse_time(value["ts"], 0) if "ts" in value else 0
        before = self.since_us is not None and at_us < self.since_us
        return None if before or (self.until_us is not None and at_us > self.until_us) else value

    def to_json(self) -> dict[str, Any]:
        """As the manifest has it."""
        said: dict[str, Any] = {name: getattr(self, name) for name in _NAMES}
        said["since"] = times.rfc3339(self.since_us) if self.since_us is not None else None
        said["until"] = times.rfc3339(self.until_us) if self.until_us is not None else None
        return {name: value for name, value in said.items() if value is not None}


class Row(NamedTuple):
    """A record of the bundle: its number, its line, and its members."""

    seq: int
    line: bytes
    value: dict[str, Any] | None
    """None for a record that is there for the keys it names alone."""


def rows_of(stored: Rows, wanted: Wanted, size: int) -> list[Row]:
    """The records asked for, and those that name the log's keys, in order."""
    rows, room = [], MAX_BYTES
    for seq, line in stored:
        if seq >= size:
            break
        if log.is_stub(line):
            continue
        if not line:
            raise UnsafeError(f"record {seq} in a segment is not the one that was moved out", code="segment_altered")
        value = wanted.fits(line)
        if value is None and seq and line[TYPE_AT] != ROTATED:
            continue
        rows.append(Row(seq, line, value))
        room -= len(line) + 2000
        if room < 0:
            raise InputError(
                "too many records for one bundle", code="too_large", hint="narrow it by --since and --until"
            )
    return rows
