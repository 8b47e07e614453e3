"""Logs whose values were exchanged for others and whose bytes were changed: always an answer, every record counted."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from nhictl import formats
from nhictl.core.replay import timeline, tree
from nhictl.core.replay.join import join
from nhictl.formats import ForeignFormatError
from tests.formats import test_claude_code, test_cloudtrail, test_codex, test_mcp, test_swe_agent, test_traces
from tests.formats.logs import check, lines

VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    "",
    "x",
    [],
    {},
    [None],
    {"a": []},
    "2026-01-01T00:00:00Z",
    10**30,
    [[]],
    "{}",
    "[1]",
]
SEEDS: dict[str, list[bytes]] = {
    "claude-code": [lines(*records) for records, _ in test_claude_code.CASES.values()],
    "codex": [lines(test_codex.META, *records) for records, _ in test_codex.CASES.values()],
    "otlp": [lines(test_traces.batch(*spans)) for spans, _ in test_traces.SPANS.values()],
    "mcp": [lines(*records) for records, _ in test_mcp.CASES.values()],
    "cloudtrail": [json.dumps({"Records": [test_cloudtrail.event(n) for n in range(4)]}, indent=1).encode()],
    "swe-agent": [json.dumps(members).encode() for members, _, _ in test_swe_agent.CASES.values()],
    "openai-agents": [lines(test_traces.START, test_traces.agents_span("s2", test_traces.FUNCTION, "s1", 1))],
}


def changed(value: Any, chance: random.Random) -> Any:
    """The value with a few members gone, renamed or something else."""
    if chance.random() < 0.04:
        return chance.choice(VALUES)
    if isinstance(value, dict):
        made = {name: changed(member, chance) for name, member in value.items() if chance.random() > 0.02}
        if value and chance.random() < 0.03:
            made[chance.choice(list(value))] = chance.choice(VALUES)
        return made
    return [changed(one, chance) for one in value] if isinstance(value, list) else value


def of(data: bytes, chance: random.Random) -> bytes:
    """A changed log: by value, or by byte."""
    if chance.random() < 0.6:
        texts = [data] if data[:2] == b"{\n" else data.splitlines()
        return b"\n".join(json.dumps(changed(json.loads(text), chance)).encode() for text in texts)
    made = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        made[chance.randrange(len(made))] = chance.randrange(256)
    return bytes(made[: chance.randint(1, len(made))]) if chance.random() < 0.4 else bytes(made)


@pytest.mark.parametrize("name", SEEDS)
def test_changed_logs(name: str) -> None:
    chance = random.Random(7)
    read = 0
    for _ in range(150):
        data = of(chance.choice(SEEDS[name]), chance)
        formats.sniff(data)
        try:
            made = formats.read(name, data, run="r", file="f")
        except ForeignFormatError:
            continue
        read += 1
        check(made)
        join(made.events)
        list(timeline.rows(made.events))
        list(tree.tree_lines(tree.build(made.events)))
    assert read > 50  # most are still logs: the rest was looked at as well
