"""A home on the real clock, `nhictl run` as the process it is, and questions about what a run left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from nhictl.core.ledger import record
from nhictl.core.policy.box import parse_box
from nhictl.ops.activate_policy import activate
from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from nhictl.ops.issue_token import issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.run_handover import sweep
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import consume, verify
from nhictl.store import log
from tests.harness import ROOT, SETTINGS, Ran

AUDIENCE: Final = "https://api.example.org"
OPEN: Final = ("--agent", "bot", "--intent", "i", "--purpose", "p", "--allow", "a.b")
PATIENCE_S: Final = 60
_POLICY: Final = {
    "nhictl_policy": 1,
    "tools": {"a.b": {"args": {}}},
    "rules": [{"id": "R", "effect": "permit", "match": {"tools": ["a.b"]}}],
}


def eventually(found: Callable[[], Any], what: str) -> Any:
    """What `found` returns once it is true; the test fails if it never is."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if answer := found():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"never: {what}")


class Runs:
    """A home with the agents `bot` and `other`, a policy that lets them call `a.b`, and a folder to work in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.house = House(self.home, self.home / DATABASE)
        self.started: list[subprocess.Popen[str]] = []
        initialise(self.house, "example.org", None)
        activate(self.house, [("p", json.dumps(_POLICY).encode())])
        for name in ("bot", "other"):
            register(self.house, Registration(name, "o@example.org", "reading"))

    def env(self, **more: str) -> dict[str, str]:
        """The environment of a call: ours without nhictl's settings and CI's job, and what is given."""
        kept = {
            k: v for k, v in os.environ.items() if k not in SETTINGS and not k.startswith(("NHICTL_", "GITHUB_", "CI_"))
        }
        return kept | {"NHICTL_HOME": str(self.home), "PYTHONPATH": str(ROOT)} | more

    def argv(self, *command: str, options: tuple[str, ...] = OPEN, verb: str = "run") -> list[str]:
        """The words of a run of `command`."""
        return [sys.executable, "-m", "nhictl", verb, "--audience", AUDIENCE, *options, "--", *command]

    def start(
        self, *command: str, options: tuple[str, ...] = OPEN, env: dict[str, str] | None = None, **more: Any
    ) -> subprocess.Popen[str]:
        """Start a run in the folder; its output is kept unless `more` says where it goes."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
        process = subprocess.Popen(
            self.argv(*command, options=options), cwd=self.folder, env=self.env(**(env or {})), text=True, **streams
        )
        self.started.append(process)
        return process

    def close(self) -> None:
        """End what still runs, and the pipes to what does not."""
        for process in self.started:
            process.kill()
            process.communicate()
        for task in {each["task"] for each in self.records() if "task" in each}:
            sweep(self.home, task)
        self.house.close()

    def run(self, *command: str, options: tuple[str, ...] = OPEN, env: dict[str, str] | None = None) -> Ran:
        """A whole run."""
        return self.end(self.start(*command, options=options, env=env))

    @staticmethod
    def end(process: subprocess.Popen[str]) -> Ran:
        """How a run ends."""
        out, err = process.communicate(timeout=PATIENCE_S)
        return Ran(process.returncode, out, err)

    def call(self, *argv: str, stdin: str = "") -> Ran:
        """Another command, in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "nhictl", *argv], input=stdin, capture_output=True, text=True, cwd=self.folder,
            env=self.env(), timeout=PATIENCE_S,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr)

    def waiting(
        self, *more: str, name: str = "tok", script: str = "exec sleep 60"
    ) -> tuple[subprocess.Popen[str], str]:
        """A run whose command has written its token into a file and waits; the process and the token."""
        process = self.start(
            "sh", "-c", f'cat "$NHICTL_TOKEN_FILE" >{name}.new && mv {name}.new {name}; {script}',
            options=(*OPEN, "--deliver", "file", *more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        path = self.folder / name
        eventually(path.exists, "the token is there")
        return process, path.read_text().strip()

    def reason(self, token: str, *, live: bool = False, at_us: int | None = None) -> str:
        """The verdict on a token with the call `a.b`."""
        asked = Question(token.encode(), AUDIENCE, "a.b", {}, at_us=at_us)
        return consume(self.house, asked)[0].reason if live else verify(self.house, asked).reason

    def task(self) -> str:
        """Open a task of `bot`."""
        return str(open_task(self.house, Order("bot", "i", "p", (parse_box("a.b", None),)))[0]["id"])

    def token(self, task: str) -> str:
        """Issue a token for a task."""
        return issue_token(self.house, task, AUDIENCE)[0].token

    def records(self, task: str | None = None) -> list[dict[str, Any]]:
        """Every record, or those of one task."""
        found = [record.decode(line) for _, line in log.lines(self.house.db)]
        return [each for each in found if task in (None, each.get("task"))]

    def kinds(self, task: str | None = None) -> list[str]:
        """The types of the records."""
        return [each["type"] for each in self.records(task)]

    def newest_task(self) -> str:
        """The task opened last."""
        return str([each["task"] for each in self.records() if each["type"] == "task.opened"][-1])
