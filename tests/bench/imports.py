"""Reading other systems' logs: rates per format against parsing the same bytes, and how much memory a long log takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nhictl.ops import replay, sources
from nhictl.ops.house import House
from tests.bench import log
from tests.bench.measure import Row, pairs, timed
from tests.formats.logs import lines
from tests.formats.test_claude_code import result, use
from tests.formats.test_cloudtrail import event as trail
from tests.formats.test_codex import META, asked, output, ran
from tests.formats.test_mcp import GOOD, answer, request
from tests.formats.test_traces import FUNCTION, TOOL, agents_span, batch, span

TEXT = "x" * 300
MAP = b"""
nhictl_map: 1
rules:
  - {when: {kind: call}, type: tool.called, fields: {tool: name, args: with, call: id}}
  - {when: {kind: done}, type: tool.returned, fields: {call: id, result: said}}
"""


def _codex(n: int) -> list[Any]:
    return [asked(f"c{n}"), {**ran(f"c{n}"), "more": TEXT}, output(f"c{n}", TEXT)]


RECORDS: dict[str, Callable[[int], list[Any]]] = {
    "claude-code": lambda n: [use(f"u{n}", (f"t{n}", "Bash", {"command": TEXT})), result(f"r{n}", f"t{n}", TEXT)],
    "codex": _codex,
    "otlp": lambda n: [batch(span(f"{n:016x}", None, n, gen_ai__tool__call__result=TEXT, **TOOL))],
    "openai-agents": lambda n: [agents_span(f"s{n}", {**FUNCTION, "output": TEXT}, "s1", 1)],
    "mcp": lambda n: [request(n), answer(n, {**GOOD, "structuredContent": {"x": TEXT}})],
    "cloudtrail": lambda n: [trail(n % 60, eventID=f"e{n}", responseElements={"x": TEXT})],
    "generic": lambda n: [
        {"kind": "call", "id": n, "name": "rm", "with": {"x": TEXT}}, {"kind": "done", "id": n, "said": TEXT},
    ],
}  # fmt: skip


def _write(path: Path, name: str, count: int) -> int:
    """A log of about `count` records; returns how many."""
    made, number = 0, 0
    with path.open("wb") as file:
        if name == "codex":
            file.write(lines(META))
        while made < count:
            records = RECORDS[name](number)
            file.write(lines(*records))
            made, number = made + len(records), number + 1
    return made


def _read(path: Path, name: str) -> int:
    source = sources.Source(path, path.name, path.stem)
    with sources.open_source(source) as opened:
        reading = opened.begin(name, MAP if name == "generic" else None)
        return sum(1 for _ in opened.events(reading))


def _rates(folder: Path, rounds: int, count: int) -> Iterator[Row]:
    for name in RECORDS:
        path = folder / f"{name}.jsonl"
        made = _write(path, name, count)

        def ours(path: Path = path, name: str = name) -> None:
            assert _read(path, name) > 0

        def floor(path: Path = path) -> None:
            with path.open("rb") as file:
                for line in file:
                    json.loads(line)

        mine, theirs, ratio = pairs(ours, floor, rounds)
        size = path.stat().st_size / 1e6
        rate = f"{made / mine:,.0f} records/s, {size / mine:.0f} MB/s"
        yield Row(f"import {name}", rate, f"json.loads {size / theirs:.0f} MB/s", f"{ratio:.1f}", "–", None)


def _peak(size: int) -> tuple[int, int]:
    """Peak memory, in KiB, of a process that replays a log of so many bytes as JSON lines, and how many bytes it got.

    The log is made while it is read: it comes through a pipe and is on no disk.
    """
    wrapped = (
        "import resource, subprocess, sys;"
        "subprocess.run(sys.argv[1:], check=True, stdin=sys.stdin, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)"
    )
    replaying = [sys.executable, "-c", wrapped, sys.executable, "-m", "nhictl", "audit", "replay", "-", "-o", "jsonl"]
    child = subprocess.Popen(replaying, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ))
    assert child.stdin is not None
    sent, number, several = 0, 0, 500
    while sent < size:
        data = b"".join(lines(*RECORDS["claude-code"](n)) for n in range(number, number + several))
        child.stdin.write(data)
        sent, number = sent + len(data), number + several
    _, err = child.communicate()
    assert child.returncode == 0, err
    return int(err), sent


def rows(folder: Path, rounds: int, count: int = 20_000, sizes: tuple[int, int] = (16 << 20, 2 << 30)) -> list[Row]:
    """Rates, peak memory of a log and of one of so many bytes more, and one task out of an exported log of ours."""
    found = list(_rates(folder, rounds, count))
    (low, small), (high, large) = (_peak(size) for size in sizes)
    what = f"peak memory, {large >> 20} MiB through a pipe"
    found.append(
        Row(
            what,
            f"{high >> 10} MiB",
            f"{low >> 10} MiB at {small >> 20} MiB",
            f"{high / low:.2f}",
            "≤ 1.2",
            high <= 1.2 * low,
        )
    )
    found.append(_one_task(folder, 1_000_000))
    return found


def _one_task(folder: Path, count: int) -> Row:
    """One task's replay from an exported log of ours: verified whole, parsed only where the task's id stands."""
    path = folder / "own.jsonl"
    with path.open("wb") as file:
        log.write(file, count)
    task, own = f"t-{7:016d}", len(range(7, count, log.TASKS))
    house = House(folder / "none", folder / "none" / "db")

    def ours() -> None:
        story = replay.from_files(house, [str(path)], None, replay.Filter(task=task))
        assert len(story.events) == own

    def floor() -> None:
        with path.open("rb") as file:
            assert sum(task.encode() in line for line in file) == own

    mine, theirs = timed(ours), timed(floor)
    path.unlink()
    what = f"one task of {count} records in a file"
    return Row(what, f"{mine:.2f} s", f"search alone {theirs:.2f} s", f"{mine / theirs:.1f}", "–", None)
