"""Enforcement points: what a call waits for that is guarded."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.bench.measure import Row, at_most, pairs, timed
from tests.bench.processes import ROOT, Installed

SERVER = ROOT / "tests" / "enforce" / "mcp_server.py"
POLICY = {
    "nhictl_policy": 1,
    "tools": {"act": {"args": {"do": "string"}}, "Bash": {"args": {"command": "string"}}},
    "rules": [{"id": "ALL", "effect": "permit", "match": {"tools": ["act", "Bash"]}}],
}


class _Client:
    """One MCP client over stdio that asks one thing after the other."""

    def __init__(self, argv: list[str], env: dict[str, str]) -> None:
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        self.number = 0

    def ask(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.number += 1
        params = {"name": "act", "arguments": {"do": "nothing"}}
        asked: dict[str, Any] = {"jsonrpc": "2.0", "id": self.number, "method": "tools/call", "params": params}
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert answer["id"] == self.number
        assert "isError" not in answer["result"]

    def end(self) -> None:
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
    return [at_most("hook decision, recorded, whole process", hook, 2.4), *_mcp(program, task, 20 * rounds)]


def _mcp(program: Installed, task: str, calls: int) -> list[Row]:
    bare = [sys.executable, str(SERVER)]
    guard = [sys.executable, str(program.folder / "start.py"), "guard", "mcp", "--task", task, "--"]
    direct, guarded = _Client(bare, program.env), _Client([*guard, *bare], program.env)
    stop = threading.Timer(600, guarded.process.kill)
    stop.start()
    try:
        for client in (direct, guarded):
            client.ask()
        times = [(timed(guarded.ask), timed(direct.ask)) for _ in range(calls)]
    finally:
        stop.cancel()
        for client in (direct, guarded):
            client.end()
    ours, theirs = (sorted(side) for side in zip(*times, strict=True))
    made = []
    for what, share in (("median", 0.5), ("p99", 0.99)):
        mine, floor = (side[int(share * (calls - 1))] for side in (ours, theirs))
        numbers = f"{mine * 1e3:.2f} ms", f"{floor * 1e3:.2f} ms", f"{mine / floor:.0f}"
        made.append(Row(f"MCP tools/call guarded (two commits) and not, {what} of {calls}", *numbers, "–", None))
    return made
