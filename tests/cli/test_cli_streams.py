"""The program as a process: pipes that close early, disks that are full, and never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.cli_help import AUDIENCE, REPORT_BOT, Program

ROOT = Path(__file__).parents[2]
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(program: Program) -> Start:
    """Start the program as a process; `stdout` and `stdin` as for Popen, standard error kept."""

    def run(
        *argv: str,
        stdout: int | None = subprocess.PIPE,
        stdin: int = subprocess.PIPE,
        env: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        own = {"NHICTL_HOME": str(program.home), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
        return subprocess.Popen(
            [sys.executable, "-m", "nhictl", *argv], stdin=stdin, stdout=stdout, stderr=subprocess.PIPE,
            env={**os.environ, **own, **(env or {})}, cwd=program.folder,
        )  # fmt: skip

    return run


def closed_pipe() -> int:
    """The writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def finish(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    """Exit status and standard error."""
    _, err = process.communicate(b"", timeout=60)
    return process.returncode, err


def states(program: Program) -> list[str]:
    return [item["state"] for item in program("token", "list", "--json").json["items"]]


def test_the_whole_way_as_processes(start: Start) -> None:
    def thing(*argv: str, stdin: bytes = b"") -> str:
        process = start(*argv)
        out, err = process.communicate(stdin, timeout=60)
        assert (process.returncode, err) == (0, b""), argv
        return out.decode().rstrip("\n")

    thing("init", "--trust-domain", "example.org")
    assert thing("agent", "register", "report-bot", *REPORT_BOT) == "spiffe://example.org/agent/report-bot"
    task = thing("task", "open", "--agent", "report-bot", "--intent", "i", "--purpose", "p", "--allow", "a.b")
    token = thing("token", "issue", "--task", task, "--audience", AUDIENCE)
    assert thing("token", "verify", "--audience", AUDIENCE, stdin=token.encode()).startswith("valid: report-bot")
    thing("task", "kill", task)
    refused = start("token", "verify", "--audience", AUDIENCE)
    out, _ = refused.communicate(token.encode(), timeout=60)
    assert (refused.returncode, b"task_killed" in out) == (1, True)


@pytest.mark.parametrize("output", ["closed", "full"])
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_token_that_could_not_be_printed_is_revoked(
    governed: Program, start: Start, output: str, more: tuple[str, ...]
) -> None:
    if output == "full" and not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    task = governed.task()
    target = closed_pipe() if output == "closed" else os.open("/dev/full", os.O_WRONLY)
    code, err = finish(start("token", "issue", "--task", task, "--audience", AUDIENCE, *more, stdout=target))
    os.close(target)
    assert code == (141 if output == "closed" else 7)
    assert b"Traceback" not in err
    assert states(governed) == ["revoked"]
    assert governed("audit", "verify").code == 0


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, UnicodeEncodeError("ascii", "–", 0, 1, "")])
def test_a_token_whose_printing_breaks_is_revoked(
    governed: Program, monkeypatch: pytest.MonkeyPatch, error: type[BaseException] | BaseException
) -> None:
    task = governed.task()

    def broken(*_args: object, **_more: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr("nhictl.cli.main.emit", broken)
        done = governed("token", "issue", "--task", task, "--audience", AUDIENCE)
    assert (done.code != 0, done.out) == (True, "")
    assert states(governed) == ["revoked"]


def test_a_token_that_was_printed_is_live(governed: Program, start: Start) -> None:
    process = start("token", "issue", "--task", governed.task(), "--audience", AUDIENCE)
    out, err = process.communicate(b"", timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert governed.verify(out.decode().strip()).code == 0
    assert states(governed) == ["live"]


def test_standard_output_that_was_never_open(governed: Program) -> None:
    task = governed.task()
    command = 'exec "$0" -m nhictl token issue --task "$1" --audience "$2" >&-'
    env = {**os.environ, "NHICTL_HOME": str(governed.home), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable, task, AUDIENCE], capture_output=True, env=env, timeout=60
    )
    assert done.returncode != 0
    assert b"Traceback" not in done.stderr
    assert "live" not in states(governed)


@pytest.mark.parametrize(
    "argv",
    [("agent", "list"), ("agent", "list", "--json"), ("audit", "export"), ("audit", "replay", "-o", "jsonl"),
     ("audit", "replay", "--view", "tree"), ("--help",), ("--version",), ("completion", "bash"), ("policy", "show")],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("output", ["closed", "full"])
def test_output_that_cannot_be_written(governed: Program, start: Start, argv: tuple[str, ...], output: str) -> None:
    target = closed_pipe() if output == "closed" else os.open("/dev/full", os.O_WRONLY)
    code, err = finish(start(*argv, stdout=target))
    os.close(target)
    assert code == (141 if output == "closed" else 7)
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err
    assert (err == b"") == (output == "closed")


def test_head_takes_the_first_line(governed: Program, start: Start) -> None:
    for _ in range(30):
        governed.task()
    process = start("audit", "export")
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b'{"v":1,')
    process.stdout.close()
    process.stdout = None
    code, err = finish(process)
    assert code in (0, 141)
    assert err == b""


def test_a_batch_answers_as_it_is_asked(governed: Program, start: Start) -> None:
    """Each answer is there before the next question is put."""
    process = start("policy", "check", "--batch", "-")
    assert process.stdin is not None
    assert process.stdout is not None
    for number in range(3):
        process.stdin.write(b'{"id":%d,"agent":"report-bot","tool":"a.b"}\n' % number)
        process.stdin.flush()
        assert b'"id":%d' % number in process.stdout.readline()
    assert finish(process)[0] == 0


@pytest.mark.parametrize("stream", ["2>/dev/full", "2>&-"])
def test_standard_error_that_cannot_be_written(program: Program, stream: str) -> None:
    command = f'exec "$0" -m nhictl agent list {stream}'
    env = {**os.environ, "NHICTL_HOME": str(program.home), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["/bin/sh", "-c", command, sys.executable], capture_output=True, env=env, timeout=60)
    assert (done.returncode, done.stdout) == (7, b"")


@pytest.mark.parametrize(
    "argv",
    [("nonsense",), ("agent", "show", "ghost"), ("token", "verify"), ("audit", "replay", "missing"), ()],
    ids=" ".join,
)
def test_no_traceback_unless_asked_for(start: Start, argv: tuple[str, ...]) -> None:
    code, err = finish(start(*argv))
    assert code in (2, 7)
    assert b"Traceback" not in err
    assert (b"Traceback" in finish(start(*argv, "--debug"))[1]) == (code != 0)


def test_bytes_that_are_no_text(governed: Program, start: Start) -> None:
    process = start("token", "verify", "--audience", AUDIENCE)
    out, err = process.communicate(bytes(range(256)), timeout=60)
    assert (process.returncode, err) == (1, b"")
    assert b"refused at step" in out


def test_arguments_that_are_no_text(governed: Program, start: Start) -> None:
    odd = os.fsdecode(b"\xff\xfe")
    for argv in (("agent", "show", odd), ("task", "show", odd), ("agent", "suspend", odd, "--reason", odd),
                 ("token", "issue", "--task", odd, "--audience", AUDIENCE), ("token", "show", odd)):  # fmt: skip
        code, err = finish(start(*argv))
        assert code in (2, 4), argv
        assert b"Traceback" not in err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_of_the_terminal(governed: Program, start: Start, encoding: str) -> None:
    """What is printed does not hang on the locale, and no locale breaks a command that has done its work."""
    for argv in (("agent", "list"), ("agent", "list", "--json"), ("--help",), ("audit", "replay", "--view", "tree"),
                 ("policy", "activate", "policy.yaml"), ("agent", "suspend", "ghost…")):  # fmt: skip
        process = start(*argv, env={"PYTHONIOENCODING": encoding})
        out, err = process.communicate(b"", timeout=60)
        assert process.returncode == (4 if "ghost…" in argv else 0), argv
        assert out + err
        assert b"internal error" not in err


def test_the_demo_tells_its_story_and_leaves_nothing(start: Start, program: Program) -> None:
    process = start("demo", "--json", env={"TMPDIR": str(program.folder)})
    out, err = process.communicate(b"", timeout=120)
    assert (process.returncode, err) == (0, b"")
    told = json.loads(out)
    assert told["schema"] == "nhictl.demo/v1"
    assert {step["exit"] for step in told["steps"]} == {0, 1}
    assert any("task_killed" in step["output"] for step in told["steps"])
    assert list(program.folder.iterdir()) == []
