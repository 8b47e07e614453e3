"""Enforcement points: what a call waits for that is guarded."""

from __future__ import annotations

import http.client
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from nhictl.sdk import Guard
from tests.bench.measure import Row, at_most, pairs, timed
from tests.bench.processes import ROOT, Installed

SERVER = ROOT / "tests" / "enforce" / "mcp_server.py"
POLICY = {
    "nhictl_policy": 1,
    "tools": {"act": {"args": {"do": "string"}}, "Bash": {"args": {"command": "string"}}},
    "rules": [{"id": "ALL", "effect": "permit", "match": {"tools": ["act", "Bash"]}}],
}


_SERVER = "from tests.enforce.mcp_http_server import Server; s = Server(); print(s.url, flush=True); s.serve_forever()"


class _Client(Protocol):
    """One MCP client that asks one thing after the other."""

    def ask(self) -> None: ...

    def end(self) -> None: ...


def _question(number: int, do: str) -> bytes:
    params = {"name": "act", "arguments": {"do": do}}
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}).encode()


def _check(answer: Any, number: int) -> None:
    assert answer["id"] == number
    assert "isError" not in answer["result"]


class _Sdk:
    """A Python agent's own calls; without a guard nothing is left of them."""

    def __init__(self, home: str, task: str) -> None:
        self.guard = Guard(home=home, task=task)

    def ask(self) -> None:
        with self.guard("act", {"do": "nothing"}) as call:
            call.result = {"content": []}

    def end(self) -> None:
        """Nothing to end."""


class _Nothing:
    def ask(self) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


class _Stdio:
    """Over stdio."""

    def __init__(self, argv: list[str], env: dict[str, str]) -> None:
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        self.number = 0

    def ask(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.number += 1
        self.process.stdin.write(_question(self.number, "nothing") + b"\n")
        self.process.stdin.flush()
        _check(json.loads(self.process.stdout.readline()), self.number)

    def end(self) -> None:
        self.process.communicate()


class _Http:
    """Over streamable HTTP, on one connection that is kept, to what a process prints the address of first."""

    def __init__(self, argv: list[str], env: dict[str, str]) -> None:
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, env=env, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.over = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        self.number = 0

    def ask(self) -> None:
        self.number += 1
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "Mcp-Session-Id": "s-1",
        }
        self.over.request("POST", urlsplit(self.url).path, _question(self.number, "json"), headers)
        _check(json.loads(self.over.getresponse().read()), self.number)

    def end(self) -> None:
        self.over.close()
        self.process.terminate()
        self.process.communicate()


def rows(folder: Path, rounds: int) -> list[Row]:
    """A hook's decision as a process, and calls through the MCP guard against the same calls without it."""
    (folder / "guard").mkdir()
    program = Installed(folder / "guard")
    program.run("init", "--trust-domain", "bench.example")
    (folder / "guard" / "p.yaml").write_text(json.dumps(POLICY))
    program.run("policy", "activate", str(folder / "guard" / "p.yaml"))
    program.run("agent", "register", "coder", "--owner", "o@bench.example", "--purpose", "p")
    what = ["--agent", "coder", "--intent", "code", "--purpose", "p", "--allow", "Bash"]
    program.run("guard", "install", "claude-code", "--project", str(folder), *what)
    event = json.dumps(
        {
            "hook_event_name": "PreToolUse", "session_id": "s", "cwd": str(folder), "tool_name": "Bash",
            "tool_input": {"command": "ls"}, "tool_use_id": "t",
        }
    ).encode()  # fmt: skip
    hook = pairs(
        lambda: program.run("guard", "hook", "claude-code", stdin=event), program.floor("commit"), rounds
    )  # the warm-up opens the session's task
    task = program.run("task", "open", *what[:-1], "act")
    python, calls = [sys.executable, str(program.folder / "start.py")], 20 * rounds
    guard = [*python, "guard", "mcp", "--task", task]
    bare = [sys.executable, str(SERVER)]
    made = [at_most("hook decision, recorded, whole process", hook, 2.4)]
    made += _calls(
        "MCP over stdio", _Stdio(bare, program.env), _Stdio([*guard, "--", *bare], program.env), folder, calls
    )
    direct = _Http([sys.executable, "-c", _SERVER], program.env | {"PYTHONPATH": str(ROOT)})
    made += _calls("MCP over HTTP", direct, _Http([*guard, "--url", direct.url], program.env), folder, calls)
    return made + _calls("SDK", _Nothing(), _Sdk(program.env["NHICTL_HOME"], task), folder, calls)


def _calls(how: str, direct: _Client, guarded: _Client, folder: Path, calls: int) -> list[Row]:
    """Calls through the guard and past it, in turn, and beside each what its two durable commits cost alone."""
    with closing(sqlite3.connect(folder / f"floor-{how}.db", isolation_level=None)) as db:
        for text in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "CREATE TABLE t (line BLOB)"):
            db.execute(text)

        def commits() -> None:
            for _ in range(2):
                db.execute("INSERT INTO t VALUES (?)", (b"x" * 500,))

        try:
            for client in (guarded, direct):
                client.ask()
            times = [(timed(guarded.ask), timed(direct.ask), timed(commits)) for _ in range(calls)]
        finally:
            for client in (guarded, direct):
                client.end()
    made = []
    ours, theirs, floor = (sorted(side) for side in zip(*times, strict=True))
    both = sorted(a + b for _, a, b in times)
    for what, share in (("median", 0.5), ("p99", 0.99)):
        mine, bare, two, sums = (side[int(share * (calls - 1))] for side in (ours, theirs, floor, both))
        numbers = (
            f"{mine * 1e3:.2f} ms",
            f"{bare * 1e3:.2f} ms + {two * 1e3:.2f} two bare commits",
            f"{mine / sums:.2f}",
        )
        made.append(Row(f"{how}, call guarded and not, {what} of {calls}", *numbers, "–", None))
    return made
