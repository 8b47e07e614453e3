"""`audit record` as a process beside an agent framework: answers come after durability, and a kill loses nothing answered."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest

from nhictl.cli.batch import MAX_LINE
from nhictl.cli.line_feed import MAX_LINES, LineFeed
from tests.cli.cli_help import AUDIENCE, REPORT_BOT, Program, check_error
from tests.harness import ROOT, SETTINGS


@pytest.fixture
def program(tmp_path: Path) -> Program:
    made = Program(tmp_path)
    made.ok("init", "--trust-domain", "example.org")
    made.ok("agent", "register", "report-bot", *REPORT_BOT)
    return made


def event(task: str, number: int = 0, **more: Any) -> str:
    return (
        json.dumps({"type": "tool.called", "task": task, "tool": "reports.read", "call": f"c{number}", **more}) + "\n"
    )


def started(program: Program, *more: str) -> subprocess.Popen[str]:
    env = {k: v for k, v in os.environ.items() if k not in SETTINGS}
    env |= {"NHICTL_HOME": str(program.home), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "nhictl", "audit", "record", *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=env,
    )  # fmt: skip


def stream(found: IO[str] | None) -> IO[str]:
    assert found is not None
    return found


def test_each_line_is_answered_in_order_and_a_bad_one_stops_nothing(program: Program) -> None:
    task = program.task()
    token = program.write("token", program.token(task) + "\n")
    lines = [
        event(task, 1, id={"any": [1]}), "\n", "{nonsense\n", event(task, 2, more=1), event("t-0000000000000000"),
        "[]\n", '{"type":"tool.called","type":"x"}\n', "x" * (MAX_LINE + 1) + "\n", event(task, 3, args={"password": "abc"}),
        '{"type":"tool.called","tool":"\\ud800"}\n', event(task, 4).rstrip("\n"),
    ]  # fmt: skip
    done = program("audit", "record", "--token-file", token, stdin="".join(lines))
    assert (done.code, done.err) == (2, "")
    said = done.lines
    assert [one.get("line", one.get("error", {}).get("details", {}).get("line")) for one in said] == [
        1, 3, 4, None, 6, 7, 8, 9, 10, 11,
    ]  # fmt: skip
    good = [one for one in said if one["schema"] == "nhictl.recorded/v1"]
    assert list(good[0]) == ["schema", "id", "line", "seq", "evidence", "masked", "log"]
    assert [one["line"] for one in good] == [1, 9, 11]
    assert [one["masked"] for one in good] == [0, 1, 0]
    assert {one["evidence"] for one in good} == {"recorded"}
    assert good[0]["id"] == {"any": [1]}
    codes = [one["error"]["code"] for one in said if "error" in one]
    assert codes == [
        "invalid_json",
        "invalid_event",
        "task_unknown",
        "invalid_event",
        "invalid_json",
        "too_large",
        "invalid_json",
    ]
    size = program.size()
    assert [one["seq"] for one in good] == list(range(size - 3, size))
    assert good[-1]["log"]["size"] == size


def test_answer_comes_while_the_input_is_open(program: Program) -> None:
    task = program.task()
    with started(program) as process:
        for number in range(3):
            stream(process.stdin).write(event(task, number))
            stream(process.stdin).flush()
            assert json.loads(stream(process.stdout).readline())["line"] == number + 1
        stream(process.stdin).close()
        assert process.wait(30) == 0


def test_nothing_answered_is_lost_when_it_is_killed(program: Program) -> None:
    task = program.task()
    with started(program) as process:
        for number in range(40):
            stream(process.stdin).write(event(task, number, args={"n": number}))
        stream(process.stdin).flush()
        answered = [json.loads(stream(process.stdout).readline()) for _ in range(5)]
        process.send_signal(signal.SIGKILL)
        answered += [
            json.loads(line) for line in stream(process.stdout).read().splitlines(keepends=True) if line[-1] == "\n"
        ]
        process.communicate()
    found = program("audit", "replay", "--task", task, "-o", "json").json
    assert found["integrity"]["verdict"] == "VERIFIED_UNANCHORED"
    kept = {one["seq"]: one for one in found["events"]}
    assert [kept[one["seq"]]["args"] for one in answered] == [{"n": one["line"] - 1} for one in answered]


def test_no_home_and_no_file(program: Program, tmp_path: Path) -> None:
    done = program("audit", "record", "--json", "--home", tmp_path / "none", stdin="x\n")
    assert done.code == 7
    check_error(done.err, "not_initialised")
    done = program("audit", "record", "--json", tmp_path / "none")
    assert done.code == 2
    check_error(done.err, "unreadable")
    path = program.write("events", event(program.task()))
    assert program("audit", "record", path).lines[0]["evidence"] == "claimed"
    assert AUDIENCE


def feed(*blocks: bytes) -> list[list[bytes | None]]:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:  # a writer that is faster than its reader
        os.close(read)
        for block in blocks:
            os.write(write, block)
        os._exit(0)
    os.close(write)
    made, groups = LineFeed(read), []
    while group := made.group():
        groups.append(group)
    os.close(read)
    os.waitpid(pid, 0)
    return groups


def test_groups_are_bounded_and_lose_no_line() -> None:
    lines = [b"%d" % n for n in range(2000)]
    groups = feed(b"\n".join(lines[:1000]) + b"\n", b"\n".join(lines[1000:]))
    assert [line for group in groups for line in group] == lines
    assert max(map(len, groups)) <= MAX_LINES


def test_line_that_is_too_long_is_passed_over_in_bounded_memory() -> None:
    groups = feed(b"a\n", b"x" * (3 * MAX_LINE), b"yy\nb\n", b"", b"z" * MAX_LINE + b"\nlast")
    assert [line for group in groups for line in group] == [b"a", None, b"b", b"z" * MAX_LINE, b"last"]
    assert feed() == []
    assert feed(b"x" * (MAX_LINE + 1)) == [[None]]
