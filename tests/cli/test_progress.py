"""Progress: on a terminal, after a while, and gone at the end."""

from __future__ import annotations

import io
import threading

import pytest

from nhictl.cli.progress import progress


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
