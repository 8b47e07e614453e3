"""Small logs of the formats' shapes, and what an importer makes of them."""

from __future__ import annotations

import json
from typing import Any

from nhictl import formats
from nhictl.core.replay.event import Event
from nhictl.formats import Imported

Records = list[Any]


def lines(*records: Any) -> bytes:
    """A record a line; bytes go in as they are."""
    return b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in records)


def read(name: str, *records: Any, mapping: bytes | None = None) -> Imported:
    """Read records as lines, and check what holds for every file: each record is counted once."""
    made = formats.read(name, lines(*records), run="RUN", file="log.jsonl", mapping=mapping)
    assert made.parsed + made.opaque + made.failed == len(records), made.problems
    check(made)
    return made


def check(made: Imported) -> None:
    """What holds for the events of any file."""
    assert [event.type for event in made.events].count("opaque") == made.opaque
    assert [event.type for event in made.events].count("failed") == made.failed
    numbers: dict[str | None, int] = {}
    for event in made.events:
        assert event.evidence == "imported"
        assert (event.n is not None) == (event.type == "tool.called")
        if event.n is not None:
            assert event.n == numbers.get(event.run, 0)
            numbers[event.run] = event.n + 1
            assert event.outcome in ("ok", "error", "denied", "not_executed", "unknown")
        if event.type in ("opaque", "failed"):
            assert event.source is not None
            assert {"file", "sha256", "offset", "length"} <= event.source.keys()
        json.dumps(event.to_json(), allow_nan=False)


def calls(made: Imported) -> list[Event]:
    """The calls."""
    return [event for event in made.events if event.n is not None]


def told(made: Imported) -> list[tuple[Any, ...]]:
    """(tool, args, call, outcome, result) of each call."""
    return [(call.tool, call.args, call.call, call.outcome, call.result) for call in calls(made)]


def exact(value: Any) -> str:
    """A text that tells 1 from 1.0 and true."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
