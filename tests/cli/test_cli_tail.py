"""`audit export --to …` and `audit tail`: each record once and in order, also over stops, and an end that says which it is."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from tests.cli.cli_help import REPORT_BOT, Program, check_error
from tests.harness import ROOT, SETTINGS


@pytest.fixture
def program(tmp_path: Path) -> Program:
    made = Program(tmp_path)
    made.ok("init", "--trust-domain", "example.org")
    made.ok("agent", "register", "report-bot", *REPORT_BOT)
    return made


def follower(program: Program, *more: str) -> subprocess.Popen[str]:
    env = {k: v for k, v in os.environ.items() if k not in SETTINGS}
    env |= {"NHICTL_HOME": str(program.home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "nhictl", "audit", "tail", "-f", *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def out(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


@pytest.mark.parametrize("to", ["ocsf", "timesketch", "csv"])
def test_export_has_every_record_of_its_window(program: Program, to: str) -> None:
    program.task()
    native = program("audit", "export").out.splitlines()[:-1]
    done = program("audit", "export", "--to", to)
    assert (done.code, done.err) == (0, "")
    if to == "csv":
        seqs = [int(row["seq"]) for row in csv.DictReader(io.StringIO(done.out))]
    else:
        seqs = [one["metadata"]["sequence"] if to == "ocsf" else one["seq"] for one in done.lines]
    assert seqs == list(range(len(native)))
    assert program("audit", "export", "--to", to, "--since", "+1h").out.count("\n") == (to == "csv")
    assert program("audit", "export", "--to", to, "--until", "-1h").out.count("\n") == (to == "csv")
    assert program("audit", "export", "--to", to, "--since", "-1h", "--until", "+1h").out == done.out


@pytest.mark.parametrize(
    "arguments", [("--to", "xml"), ("--since", "-1h"), ("--to", "csv", "--since", "now", "--until", "-1h")]
)
def test_export_refuses(program: Program, arguments: tuple[str, ...]) -> None:
    done = program("audit", "export", *arguments, "--json")
    assert (done.code, done.out) == (2, "")
    check_error(done.err, "usage")


def test_tail_without_following(program: Program) -> None:
    native = program("audit", "export").out.splitlines()[:-1]
    assert [one["seq"] for one in program("audit", "tail", "-n", "2").lines] == [len(native) - 2, len(native) - 1]
    assert program("audit", "tail", "--to", "native", "--from-seq", "0").out.splitlines() == native
    assert program("audit", "tail", "--from-seq", "0").lines[0]["record"] == json.loads(native[0])
    assert program("audit", "tail", "--from-seq", str(len(native))).out == ""
    assert program("audit", "tail", "-n", "0").out == ""
    done = program("audit", "tail", "--from-seq", str(len(native) + 1), "--json")
    assert done.code == 5
    check_error(done.err, "cursor_ahead")
    assert program("audit", "tail", "--to", "csv").code == 2


def test_following_gives_each_record_once_over_stops(program: Program) -> None:
    got: list[int] = []
    for _ in range(2):
        start = got[-1] + 1 if got else 0
        with follower(program, "--from-seq", str(start)) as process:
            program.task()
            size = program.size()
            while not got or got[-1] < size - 1:
                got.append(json.loads(out(process).readline())["seq"])
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            assert out(process).read() == ""
        program.task()
    got += [one["seq"] for one in program("audit", "tail", "--from-seq", str(got[-1] + 1)).lines]
    assert got == list(range(program.size()))


def test_follower_ends_when_nobody_reads(program: Program) -> None:
    with follower(program, "-n", "1") as process:
        assert json.loads(out(process).readline())["seq"] == program.size() - 1
        out(process).close()
        assert process.wait(30) in (0, 141)
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_follower_says_when_the_database_is_replaced_or_goes_back(program: Program) -> None:
    program("home", "backup", program.folder / "copy.db")
    program.task()
    with follower(program, "-n", "1", "--json") as process:
        out(process).readline()
        program("home", "restore", program.folder / "copy.db", "--replace")
        assert process.wait(30) == 6
        assert process.stderr is not None
        assert "store_rolled_back" in process.stderr.read()
    program("doctor", "--accept-restore")
    with follower(program, "-n", "1", "--json") as process:
        out(process).readline()
        (program.home / "nhictl.db").rename(program.home / "gone.db")
        assert process.wait(30) == 6
        assert process.stderr is not None
        assert "store_replaced" in process.stderr.read()
