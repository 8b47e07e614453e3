"""Signals, the terminal and process groups: the command sees what it would see without us."""

from __future__ import annotations

import os
import pty
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nhictl.ops.run_child import Signals
from tests.harness import ROOT
from tests.run.run_home import OPEN, PATIENCE_S, Runs, eventually

COUNT = "import signal,sys,time\nn=0\ndef got(s,f):\n global n\n n+=1; print('got',s,n,flush=True)\n"


def counting(*numbers: int, then: str = "") -> list[str]:
    """A command that says which signals it got, and ends when SIGUSR2 comes."""
    code = COUNT + "".join(f"signal.signal({int(n)}, got)\n" for n in numbers)
    code += f"signal.signal({int(signal.SIGUSR2)}, lambda *_: sys.exit(n))\n{then}\nprint('ready',flush=True)\n"
    return [sys.executable, "-c", code + "while True: time.sleep(0.05)"]


def until(process: subprocess.Popen[str], text: str) -> str:
    """The line of its output that holds `text`."""
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return line.strip()
    raise AssertionError(f"never: {text}")


PASSED = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGWINCH, signal.SIGCONT]


def test_what_is_sent_to_us_reaches_the_command_once(runs: Runs) -> None:
    process = runs.start(*counting(*PASSED), start_new_session=True)
    until(process, "ready")
    for place, number in enumerate(PASSED, 1):
        process.send_signal(number)
        assert until(process, "got") == f"got {int(number)} {place}"
    process.send_signal(signal.SIGUSR2)
    assert process.wait(PATIENCE_S) == len(PASSED)
    assert runs.kinds(runs.newest_task())[-1] == "task.closed"


def test_a_command_that_stays_is_waited_for(runs: Runs) -> None:
    process = runs.start("sh", "-c", "trap 'sleep 0.3; exit 7' TERM; echo ready; while :; do sleep 0.05; done")
    until(process, "ready")
    process.terminate()
    assert process.wait(PATIENCE_S) == 7


def test_a_signal_that_was_ignored_before_us_stays_ignored(runs: Runs) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    process = runs.start(
        "sh", "-c", "grep SigIgn /proc/self/status; grep SigBlk /proc/self/status; echo ready; sleep 0.3; exit 5",
        preexec_fn=ignore,
    )  # fmt: skip
    ignored = int(until(process, "SigIgn").split()[1], 16)
    blocked = int(until(process, "SigBlk").split()[1], 16)
    until(process, "ready")
    process.send_signal(signal.SIGHUP)
    assert process.wait(PATIENCE_S) == 5, "and how it ended is known, though our parent wants no children's ends"
    assert ignored & 1 << signal.SIGHUP - 1
    assert not ignored & 1 << signal.SIGINT - 1
    assert blocked == 0


def test_a_signal_before_the_start_starts_nothing(runs: Runs) -> None:
    helper = runs.folder / "slow"
    helper.write_text(
        f'#!/bin/sh\ncat >/dev/null\ntouch {runs.folder}/slow.began\nsleep 1\necho \'{{"secret":"x"}}\'\n'
    )
    helper.chmod(0o755)
    (runs.home / "credentials.yaml").write_text(
        "nhictl_credentials: 1\ncredentials:\n"
        f"  - {{name: slow, acquire: [{helper}], revoke: [/bin/true], agents: [bot]}}\n"
    )
    (runs.home / "credentials.yaml").chmod(0o600)
    process = runs.start("touch", "too-late", options=(*OPEN, "--credential", "slow"))
    eventually((runs.folder / "slow.began").exists, "the helper runs")
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 143
    assert not (runs.folder / "too-late").exists()
    assert runs.kinds(runs.newest_task())[-2:] == ["task.closed", "credential.revoked"]


def mask_is_put_back() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with Signals() as signals:
        assert signals.watched <= signal.pthread_sigmask(signal.SIG_BLOCK, [])
        assert signals.ending() is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.ending() == signal.SIGTERM
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_the_mask_is_put_back() -> None:
    """In a process of its own: a runner that has other threads would have the signal delivered to one of those."""
    code = "from tests.run.test_run_signals import mask_is_put_back; mask_is_put_back()"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


class Screen:
    """An interactive shell on a terminal of its own."""

    def __init__(self, runs: Runs) -> None:
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(runs.folder)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], runs.env(PS1="$ ", TERM="dumb"))
        self.seen = ""

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def until(self, text: str) -> str:
        """What appeared since the last time, with `text`."""
        end = time.monotonic() + PATIENCE_S
        while text not in self.seen and time.monotonic() < end:
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 65536).decode(errors="replace")
        before, found, self.seen = self.seen.partition(text)
        assert found, (text, before)
        return before

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.master)


@pytest.fixture
def screen(runs: Runs) -> Iterator[Screen]:
    found = Screen(runs)
    yield found
    found.close()


def line(runs: Runs, *command: str) -> str:
    return shlex.join(runs.argv(*command)) + "; echo status=$?\r"


def test_ctrl_c_reaches_the_command_once_and_the_default_ends_both(runs: Runs, screen: Screen) -> None:
    screen.type(line(runs, *counting(signal.SIGINT, then="signal.signal(signal.SIGQUIT, lambda *_: sys.exit(n))")))
    screen.until("ready\r\n")
    screen.type("\x03")
    screen.until("got 2 1")
    screen.type("\x03")
    screen.until("got 2 2")
    screen.type("\x1c")
    screen.until("status=2\r\n")
    screen.type(line(runs, "sh", "-c", "echo rea''dy; exec sleep 60"))
    screen.until("ready\r\n")
    screen.type("\x03")
    screen.until("status=130\r\n")


def test_ctrl_z_stops_the_job_and_fg_goes_on(runs: Runs, screen: Screen) -> None:
    screen.type(shlex.join(runs.argv("sh", "-c", "echo rea''dy; exec cat")) + "\r")
    screen.until("ready\r\n")
    screen.type("\x1a")
    screen.until("Stopped")
    screen.type("echo shell$((40+2))\r")
    screen.until("shell42")
    screen.type("fg\r")
    screen.until("exec cat")
    screen.type("hello\r")
    screen.until("hello\r\nhello\r\n")
    screen.type("\x04")
    screen.type("echo status=$?\r")
    screen.until("status=0\r\n")


def test_a_hang_up_of_the_terminal_ends_the_run(runs: Runs) -> None:
    screen = Screen(runs)
    screen.type(shlex.join(runs.argv("sh", "-c", "echo $$ >hung; echo rea''dy; exec sleep 60")) + "\r")
    screen.until("ready\r\n")
    child = Path(f"/proc/{(runs.folder / 'hung').read_text().strip()}")
    task = runs.newest_task()
    os.close(screen.master)
    eventually(lambda: not child.exists(), "the command ends")
    eventually(lambda: runs.kinds(task)[-1] == "task.closed", "and its task is closed")
    os.kill(screen.pid, signal.SIGKILL)
    os.waitpid(screen.pid, 0)
