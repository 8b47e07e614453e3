"""Reading other systems' logs: rates per format against parsing the same bytes, and how much memory a long log takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nhictl.ops import replay, sources
from nhictl.ops.house import House
from tests.bench import log
from tests.bench.measure import Row, pairs, timed
from tests.formats import test_agentdojo as dojo
from tests.formats import test_swe_agent as swe
from tests.formats.logs import lines
from tests.formats.test_claude_code import result, use
from tests.formats.test_cloudtrail import event as trail
from tests.formats.test_codex import META, asked, output, ran
from tests.formats.test_mcp import GOOD, answer, request
from tests.formats.test_traces import FUNCTION, TOOL, agents_span, batch, span
from tests.harness import ROOT

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


def _dojo(count: int) -> list[Any]:
    turns = [
        (dojo.asked(dojo.call("shell", {"x": TEXT}, id=f"c{n}")), dojo.told(TEXT, f"c{n}")) for n in range(count // 2)
    ]
    return [dojo.run_of(*(message for turn in turns for message in turn))]


def _trajectory(count: int) -> list[Any]:
    return [
        {
            "environment": "e",
            "trajectory": [swe.step("ls " + TEXT, TEXT) for _ in range(count)],
            "history": [],
            "info": {},
        }
    ]


DOCUMENTS: dict[str, Callable[[int], list[Any]]] = {"agentdojo": _dojo, "swe-agent": _trajectory}
"""Formats of one JSON text a file."""


def _write(path: Path, name: str, count: int) -> int:
    """A log of about `count` records; returns how many."""
    made, number = 0, 0
    with path.open("wb") as file:
        if name in DOCUMENTS:
            file.write(lines(*DOCUMENTS[name](count)))
            return count
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
    for name in (*RECORDS, *DOCUMENTS):
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


def _peak(path: Path, *, piped: bool) -> int:
    """Peak memory, in KiB, of a process that replays a file as JSON lines."""
    command = [sys.executable, "-m", "nhictl", "audit", "replay", "-" if piped else str(path), "-o", "jsonl"]
    wrapped = (
        "import resource, subprocess, sys;"
        "subprocess.run(sys.argv[1:], check=True, stdin=sys.stdin, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)"
    )
    with path.open("rb") as file:
        stdin: Any = (
            subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE).stdout if piped else subprocess.DEVNULL
        )
        done = subprocess.run(
            [sys.executable, "-c", wrapped, *command],
            stdin=stdin,
            capture_output=True,
            text=True,
            check=True,
            env=dict(os.environ),
        )
    return int(done.stderr)


def _streamed(size: int) -> tuple[int, float]:
    """Peak memory in KiB, and seconds, of a process that replays so many bytes out of a pipe; on no disk at any time."""
    block = b"".join(
        lines(use(f"u@{n}", (f"t@{n}", "Bash", {"command": TEXT})), result(f"r@{n}", f"t@{n}", TEXT * 10))
        for n in range(200)
    )
    wrapped = (
        "import resource, subprocess, sys;"
        "subprocess.run(sys.argv[1:], check=True, stdin=sys.stdin, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-m", "nhictl", "audit", "replay", "-", "-o", "jsonl"]
    began, sent = time.perf_counter(), 0
    with subprocess.Popen(
        [sys.executable, "-c", wrapped, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)
    ) as done:
        assert done.stdin is not None
        assert done.stdout is not None
        number = 0
        while sent < size:
            sent += done.stdin.write(block.replace(b"@", b"%09d-" % number))
            number += 1
        done.stdin.close()
        peak = int(done.stdout.read())
    assert done.returncode == 0
    return peak, time.perf_counter() - began


def _large(size: int = 2 << 30) -> Row:
    """A log that fits in no memory we use, against one of a fiftieth."""
    low, _ = _streamed(size // 50)
    high, took = _streamed(size)
    what = f"peak memory, {size >> 30} GiB of claude-code through a pipe"
    ours = f"{high >> 10} MiB, {size / took / 1e6:.0f} MB/s"
    return Row(
        what, ours, f"{low >> 10} MiB at {size // 50 >> 20} MiB", f"{high / low:.2f}", "≤ 1.2", high <= 1.2 * low
    )


def _page(folder: Path, count: int = 10_000) -> Row:
    """The HTML report of one long run: time, memory and size of a whole process."""
    path, page = folder / "long.jsonl", folder / "report.html"
    _write(path, "claude-code", count)
    env = os.environ | {"PYTHONPATH": str(ROOT), "NHICTL_HOME": str(folder / "no-home")}
    command = [sys.executable, "-c", log.MEASURED, "audit", "replay", str(path), "--html", str(page)]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, env=env, text=True, check=True)
    took = time.perf_counter() - began
    size, mib = page.stat().st_size, int(done.stderr.splitlines()[-1]) / 1024
    path.unlink()
    page.unlink()
    what = f"HTML report of a run of {count} records"
    return Row(what, f"{took:.2f} s, {mib:.0f} MiB", f"{size / 1e6:.2f} MB of page", "–", "–", None)


def rows(folder: Path, rounds: int, count: int = 20_000, sizes: tuple[int, int] = (30_000, 300_000)) -> list[Row]:
    """Rates, peak memory of a log and of one ten times as long, of 2 GiB, and one task out of an exported log of ours."""
    found = list(_rates(folder, rounds, count))
    peaks = []
    for size in sizes:
        path = folder / "long.jsonl"
        _write(path, "claude-code", size)
        peaks.append((path.stat().st_size, _peak(path, piped=True)))
        path.unlink()
    (small, low), (large, high) = peaks
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
    found += [_page(folder), _large()]
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
