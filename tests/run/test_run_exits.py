"""How a run ends: the command's own status, 128+n, 126, 127, or 125 for everything that was our fault."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nhictl.ops.end_task import end_task
from tests.run.run_home import OPEN, Runs

SHELL = {
    "true": (["true"], 0),
    "no": (["sh", "-c", "exit 1"], 1),
    "a number of its own": (["sh", "-c", "exit 42"], 42),
    "a number like ours": (["sh", "-c", "exit 125"], 125),
    "SIGINT": (["sh", "-c", "kill -INT $$"], 130),
    "SIGKILL": (["sh", "-c", "kill -KILL $$"], 137),
    "SIGTERM": (["sh", "-c", "kill -TERM $$"], 143),
    "not found": (["no-such-program"], 127),
    "no such path": (["./no-such-program"], 127),
    "a folder": (["/"], 126),
    "not executable": (["./plain"], 126),
    "no format that can be executed": (["./garbage"], 126),
    "a script whose interpreter is missing": (["./orphan"], 127),
}


def make(path: Path, text: str, mode: int) -> None:
    path.write_text(text)
    path.chmod(mode)


def test_the_status_of_the_command(runs: Runs) -> None:
    make(runs.folder / "plain", "#!/bin/sh\n", 0o644)
    make(runs.folder / "garbage", "\x7fELF not really", 0o755)
    make(runs.folder / "orphan", "#!/no/such/interpreter\n", 0o755)
    started = {name: runs.start(*command) for name, (command, _) in SHELL.items()}
    ended = {name: runs.end(process) for name, process in started.items()}
    assert {name: done.rc for name, done in ended.items()} == {name: code for name, (_, code) in SHELL.items()}
    for name, done in ended.items():
        said = done.err.startswith("nhictl: cannot run ")
        assert said == (SHELL[name][1] in (126, 127)), (name, done.err)


def test_each_run_closed_its_own_task(runs: Runs) -> None:
    records = runs.records()
    opened = [each["task"] for each in records if each["type"] == "task.opened"]
    assert len(opened) == len(SHELL) - 4, "nothing is opened for what is plainly not to be executed"
    for task in opened:
        assert runs.kinds(task) == ["task.opened", "lease.taken", "token.issued", "task.closed"]
    assert len({each["inst"] for each in records if each["type"] == "task.opened"}) == len(opened), (
        "no two are one copy"
    )
    codes = sorted(each["ext"]["exit"] for each in records if each["type"] == "task.closed")
    assert codes == sorted([0, 1, 42, 125, 130, 137, 143, 126, 127])
    assert list((runs.home / "leases").iterdir()) == []


def unknown_agent(runs: Runs) -> tuple[str, ...]:
    return ("--agent", "nobody", *OPEN[2:])


def no_audience(runs: Runs) -> tuple[str, ...]:
    return (*OPEN, "--audience", "with a space")


def ended_task(runs: Runs) -> tuple[str, ...]:
    task = runs.task()
    end_task(runs.house, task, "closed", None)
    return ("--task", task)


def no_home(runs: Runs) -> tuple[str, ...]:
    return (*OPEN, "--home", str(runs.folder / "nothing"))


OURS: dict[str, tuple[Callable[[Runs], tuple[str, ...]], str]] = {
    "an unknown agent": (unknown_agent, "no agent"),
    "no audience": (no_audience, "is no audience"),
    "a task that has ended": (ended_task, "is closed"),
    "no home": (no_home, "no authority in"),
    "an unknown option": (lambda _: (*OPEN, "--bogus"), "no such option `--bogus`"),
    "nothing to open a task with": (lambda _: OPEN[2:], "--agent is missing"),
    "a task and what opens one": (lambda _: ("--task", "t-1", *OPEN), "--agent is for opening a task"),
    "an unknown way": (lambda _: (*OPEN, "--deliver", "argv"), "no delivery `argv`"),
    "a life that is too long": (lambda _: (*OPEN, "--ttl", "2h"), "lives 1 to 3600 s"),
    "an undeclared secret": (lambda _: (*OPEN, "--credential", "db"), "no credential `db` is declared"),
    "a variable's name that is none": (lambda _: (*OPEN, "--keep-env", "A=B"), "is no variable's name"),
}


def test_what_is_our_fault_is_125_and_runs_nothing(runs: Runs) -> None:
    trace = runs.folder / "ran"
    started = {name: runs.start("touch", "ran", options=make(runs)) for name, (make, _) in OURS.items()}
    ended = {name: runs.end(process) for name, process in started.items()}
    assert {name: done.rc for name, done in ended.items()} == dict.fromkeys(OURS, 125)
    for name, done in ended.items():
        assert OURS[name][1] in done.err, (name, done.err)
    assert not trace.exists()
    assert list((runs.home / "leases").iterdir()) == []


def test_a_home_that_others_can_read_is_125(own: Runs) -> None:
    own.home.chmod(0o755)
    done = own.run("true")
    assert (done.rc, "0755" in done.err) == (125, True)


def test_streams_arguments_and_descriptors_pass_through(runs: Runs) -> None:
    read, write = os.pipe()
    argv = runs.argv("sh", "-c", 'cat; echo "$1" >&2; cat /dev/fd/$2; exit 3', "x", "a\udcffb", str(read))
    os.write(write, b"from a descriptor")
    os.close(write)
    done = subprocess.run(
        [os.fsencode(word) for word in argv], input=b"in\n", capture_output=True, env=runs.env(), pass_fds=[read]
    )
    os.close(read)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"in\nfrom a descriptor", b"a\xffb\n")


def test_a_task_that_was_open_ends_with_the_run_and_has_no_second_one(runs: Runs) -> None:
    task = runs.task()
    earlier = runs.token(task)
    assert runs.reason(earlier) == "valid"
    seen = runs.run("sh", "-c", "echo $NHICTL_TASK", options=("--task", task))
    assert (seen.rc, seen.out.strip()) == (0, task)
    assert runs.reason(earlier) == "task_closed"
    again = runs.run("true", options=("--task", task))
    assert (again.rc, "is closed" in again.err) == (125, True)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_is_no_failure(runs: Runs, option: str) -> None:
    done = runs.call("run", option)
    assert (done.rc, done.err) == (0, "")
    if option == "--help":
        assert "SSH_AUTH_SOCK" in done.out
