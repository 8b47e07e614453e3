"""A shell at a pseudo-terminal, typed at and read."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>()][0-9A-B]?")


class Terminal:
    """An interactive shell; `type` sends keys, `read` waits for what the screen is to show."""

    def __init__(self, argv: list[str], folder: Path, path: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 80, 200, 0, 0))
        env = {"PATH": path, "TERM": "dumb", "HOME": str(folder), "LC_ALL": "C.UTF-8", "PS1": "> "}
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=folder, start_new_session=True
        )
        os.close(slave)

    def type(self, keys: str) -> None:
        """Send keys as if typed."""
        os.write(self.master, keys.encode())

    def read(self, until: str, seconds: float = 20) -> str:
        """What appears, up to and with `until`; whatever there was if it does not come in time."""
        seen, end = b"", time.monotonic() + seconds
        while until.encode() not in seen and time.monotonic() < end:
            if select.select([self.master], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):
                    seen += ESCAPES.sub(b"", os.read(self.master, 65536))
        return seen.decode(errors="replace")

    def close(self) -> None:
        """End the shell."""
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@contextlib.contextmanager
def shell(argv: list[str], folder: Path, setup: str) -> Iterator[Terminal]:
    """A shell after `setup`, in which `nhictl` is a function that shows its arguments: `<a><b>!`.

    A program of that name leaves a trace if completion ever calls it, which is looked for at the end.
    """
    called = folder / "called"
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "nhictl").write_text(f"#!/bin/sh\n: >'{called}'\n")
    (programs / "nhictl").chmod(0o755)
    terminal = Terminal(argv, folder, f"{programs}:{os.environ['PATH']}")
    try:
        terminal.type(f"{setup}\rnhictl() {{ printf '<%s>' \"$@\"; echo '!'; }}; echo rea''dy\r")
        assert "ready" in terminal.read("ready\r\n")
        yield terminal
    finally:
        terminal.close()
    assert not called.exists()


def typed(terminal: Terminal, keys: str) -> str:
    """The arguments that `nhictl` gets once the keys and Return were typed: `<a><b>!`."""
    terminal.type(keys)
    time.sleep(0.3)  # the shell answers TAB before it reads on
    terminal.type("\r")
    seen = terminal.read("!\r\n")
    found = re.findall(r"^(<.*>)!", seen.replace("\r", "\n"), re.MULTILINE)
    return str(found[-1]) if found else seen
