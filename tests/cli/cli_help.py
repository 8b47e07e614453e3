"""Short forms for the command-line tests: the program in this very process, with real files as its streams."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from nhictl.cli.main import main
from nhictl.ops.house import House

AUDIENCE = "https://api.example.org"
REPORT_BOT = ("--owner", "ops@example.org", "--purpose", "weekly report")

DEFAULTS: dict[str, Any] = House.__init__.__kwdefaults__ or {}
"""Clock and random source that a home gets unless a test hands in others."""

POLICY = """\
nhictl_policy: 1
id: house
owner: ops@example.org
default: deny
timezone: UTC
tools:
  reports.read:  {args: {limit: integer}}
  payments.send: {args: {amount: number, to: string}}
rules:
  - id: R-1
    effect: permit
    description: The report bot reads reports
    owner: ops
    match: {agents: [report-bot], intents: [report], tools: [reports.read]}
"""

REGISTRY = """\
nhictl_agents: 1
agents:
  - {name: report-bot, owner: ops@example.org, purpose: weekly report}
"""

OTHER_POLICY = POLICY.replace("id: house", "id: other").replace("[reports.read]}", "[payments.send]}")


class Done(NamedTuple):
    """How a call ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON value it is."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Standard output as JSONL."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def thing(self) -> str:
        """The one thing that was printed, as `$(…)` would have it."""
        assert (self.code, self.err) == (0, ""), self
        assert self.out.count("\n") == 1
        return self.out.rstrip("\n")


class Program:
    """`program("agent", "list", stdin=…)` runs one command in `folder`, with `folder/home` as its home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"

    def __call__(self, *argv: str | Path, stdin: str | bytes = b"", env: dict[str, str] | None = None) -> Done:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
            files[0].write(given)
            files[0].seek(0)
            streams = [stack.enter_context(_text(file)) for file in files]
            stack.enter_context(_process(self.folder, {"NHICTL_HOME": str(self.home)} | (env or {}), streams))
            code = main([str(argument) for argument in argv])
            out, err = (_content(stream, file) for stream, file in zip(streams[1:], files[1:], strict=True))
        return Done(code, out, err)

    def write(self, name: str, text: str) -> Path:
        """A file in the folder."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def ok(self, *argv: str | Path, stdin: str | bytes = b"") -> Any:
        """The JSON reply of a command that has to succeed."""
        done = self(*argv, "--json", stdin=stdin)
        assert (done.code, done.err) == (0, ""), done
        return done.json

    def task(self, *more: str, agent: str = "report-bot", allow: str = "reports.read") -> str:
        """Open a task and return its id."""
        return self(
            "task", "open", "--agent", agent, "--intent", "report", "--purpose", "week 47", "--allow", allow, *more
        ).thing

    def token(self, task: str, *more: str) -> str:
        """Issue a token and return it."""
        return self("token", "issue", "--task", task, "--audience", AUDIENCE, *more).thing

    def verify(self, token: str, *more: str) -> Done:
        """Verify a token, in JSON."""
        return self("token", "verify", "--audience", AUDIENCE, "--json", *more, stdin=token + "\n")

    def size(self) -> int:
        """How many records the log has."""
        return int(self("audit", "verify", "--json").json["size"])


@contextlib.contextmanager
def _text(file: IO[bytes]) -> Iterator[io.TextIOWrapper]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    yield text
    with contextlib.suppress(ValueError):  # --batch closes what it has read
        text.detach()


@contextlib.contextmanager
def _process(folder: Path, env: dict[str, str], streams: list[io.TextIOWrapper]) -> Iterator[None]:
    """Streams, environment and working folder of the call; afterwards those there were."""
    before = dict(os.environ), Path.cwd(), (sys.stdin, sys.stdout, sys.stderr)
    os.environ.update(env)
    os.chdir(folder)
    sys.stdin, sys.stdout, sys.stderr = streams
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before[2]
        os.chdir(before[1])
        os.environ.clear()
        os.environ.update(before[0])


def _content(stream: io.TextIOWrapper, file: IO[bytes]) -> str:
    stream.flush()
    file.seek(0)
    return file.read().decode()


def check_error(text: str, code: str | None = None) -> dict[str, Any]:
    """The error object of JSON mode, exactly as the contract has it."""
    assert text.endswith("\n")
    assert text.count("\n") == 1
    whole = json.loads(text)
    assert list(whole) == ["schema", "error"]
    assert whole["schema"] == "nhictl.error/v1"
    error: dict[str, Any] = whole["error"]
    assert list(error) == ["code", "message", "hint", "details"]
    assert isinstance(error["code"], str)
    assert error["code"]
    assert isinstance(error["message"], str)
    assert error["message"]
    assert error["hint"] is None or isinstance(error["hint"], str)
    assert isinstance(error["details"], dict)
    assert code in (None, error["code"])
    return error
