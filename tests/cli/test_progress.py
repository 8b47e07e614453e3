"""Progress: on a terminal, after a while, and gone at the end."""

from __future__ import annotations

import io
import os
import pty
import select
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nhictl.cli.progress import progress
from tests.formats.logs import lines
from tests.formats.test_mcp import GOOD, answer, request
from tests.harness import ROOT


class Screen(io.StringIO):
    """A stream that says whether it is a terminal, and tells when it was written to."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal
        self.written = threading.Event()

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        made = super().write(text)
        self.written.set()
        return made


def test_long_work_says_so_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(terminal=True)
    monkeypatch.setattr("sys.stderr", screen)
    with progress("reading the log", after_s=0.01):
        assert screen.written.wait(10)
    assert screen.getvalue() == "\r\x1b[Kreading the log … 0 s\r\x1b[K"


@pytest.mark.parametrize(("terminal", "after_s"), [(False, 0.0), (True, 60.0)])
def test_a_pipe_sees_nothing_and_short_work_says_nothing(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, after_s: float
) -> None:
    screen = Screen(terminal=terminal)
    monkeypatch.setattr("sys.stderr", screen)
    with progress("reading", after_s=after_s):
        pass
    assert screen.getvalue() == ""


def test_an_error_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(terminal=True)
    monkeypatch.setattr("sys.stderr", screen)
    with pytest.raises(KeyError), progress("reading", after_s=60.0):
        raise KeyError
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("Thread") and thread.daemon]


@pytest.mark.parametrize(
    "command", [("detect", "-"), ("trace", "jjjjjjjjjjjjjjjjjjjjjj", "-"), ("replay", "-"), ("replay", "-", "--view", "scope")],
    ids=" ".join,
)  # fmt: skip
def test_commands_that_read_long_logs_say_that_they_live(tmp_path: Path, command: tuple[str, ...]) -> None:
    """On a terminal of its own, with a log that comes late through a pipe; the data goes elsewhere."""
    terminal, screen = pty.openpty()
    env = os.environ | {"PYTHONPATH": str(ROOT), "NHICTL_HOME": str(tmp_path / "none"), "NO_COLOR": "1"}
    running = subprocess.Popen(
        [sys.executable, "-m", "nhictl", "audit", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=screen,
        env=env,
    )  # fmt: skip
    seen = b""
    try:
        while "log … 1 s".encode() not in seen:
            assert select.select([terminal], [], [], 60)[0], seen
            seen += os.read(terminal, 4096)
        out, _ = running.communicate(lines(request(1), answer(1, GOOD)), timeout=60)
        assert " … ".encode() not in out
        while select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 4096)
        assert b"\r\x1b[K" in seen[seen.rindex(" … ".encode()) :]  # nothing is left of it
    finally:
        running.kill()
        running.wait()
        os.close(terminal)
        os.close(screen)
