"""The program in this process, with a home of its own: for the tests on the verbs of `agent`."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nhictl.cli.main import main


class Said(NamedTuple):
    """How a call ended and what it said."""

    code: int
    out: str
    err: str


class Cli:
    """`cli("agent", "list")` runs one command; `cli.json(…)` one that has to succeed, in JSON."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.home = folder / "home"
        self._patch = monkeypatch
        self._capsys = capsys
        monkeypatch.setenv("NHICTL_HOME", str(self.home))
        for name in ("NHICTL_STORE", "NHICTL_OUTPUT", "GITHUB_RUN_ID", "CI_JOB_ID"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.chdir(folder)

    def __call__(self, *argv: str, stdin: bytes = b"") -> Said:
        self._patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        self._capsys.readouterr()
        code = main(list(argv))
        return Said(code, *self._capsys.readouterr())

    def json(self, *argv: str, stdin: bytes = b"") -> Any:
        done = self(*argv, "--json", stdin=stdin)
        assert (done.code, done.err) == (0, ""), done
        return json.loads(done.out)

    def size(self) -> int:
        """How many records the log has, and that they are in order."""
        return int(self.json("audit", "verify")["size"])

    def write(self, name: str, text: str) -> str:
        """A file in the working folder."""
        (self.folder / name).write_text(text, encoding="utf-8")
        return name
