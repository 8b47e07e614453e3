"""`nhictl demo`: the whole story with real commands, each a process of its own, in a temporary home."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from nhictl.cli.main import Reply
from nhictl.cli.session import session
from nhictl.errors import NhictlError
from nhictl.render import Result
from nhictl.render.escape import terminal

POLICY = """\
nhictl_policy: 1
id: demo
owner: ops@demo.example
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
    match: {agents: [report-bot], intents: [weekly-report], tools: [reports.read]}
"""
AUDIENCE = "https://api.demo.example"


class Step(NamedTuple):
    """A remark, the command as one would type it, its arguments, what it is to end with, and what it reads and sets."""

    remark: str
    typed: str
    argv: list[str]
    exit: int = 0
    stdin: str | None = None
    sets: str | None = None
    into: str | None = None


def _steps(known: dict[str, str]) -> Iterator[Step]:
    yield Step("an authority: keys, database, first record", "nhictl init --trust-domain demo.example",
               ["init", "--trust-domain", "demo.example"])  # fmt: skip
    yield Step("rules of the house", "nhictl policy activate policy.yaml", ["policy", "activate", "policy.yaml"])
    yield Step("an agent with an accountable owner",
               'nhictl agent register report-bot --owner ops@demo.example --purpose "weekly report"',
               ["agent", "register", "report-bot", "--owner", "ops@demo.example", "--purpose", "weekly report"])  # fmt: skip
    yield Step("an approved piece of work, and what it may touch",
               "TASK=$(nhictl task open --agent report-bot --intent weekly-report --purpose \"week 47\" --allow 'reports.read?args.limit<=100' --deadline 15m)",  # noqa: E501
               ["task", "open", "--agent", "report-bot", "--intent", "weekly-report", "--purpose", "week 47",
                "--allow", "reports.read?args.limit<=100", "--deadline", "15m"], sets="TASK")  # fmt: skip
    task = known["TASK"]
    yield Step("a token for it, five minutes long", f"TOKEN=$(nhictl token issue --task $TASK --audience {AUDIENCE})",
               ["token", "issue", "--task", task, "--audience", AUDIENCE], sets="TOKEN")  # fmt: skip
    token = known["TOKEN"]
    use = ["token", "verify", "--consume", "--audience", AUDIENCE]
    said = f'nhictl token verify --consume --audience {AUDIENCE} --tool %s <<<"$TOKEN"'
    yield Step("the agent calls a tool: checked, counted, recorded", said % "reports.read --arg limit=10",
               [*use, "--tool", "reports.read", "--arg", "limit=10"], stdin=token)  # fmt: skip
    yield Step("talked into another, it is denied", said % "payments.send --arg amount=900 --arg to=mallory",
               [*use, "--tool", "payments.send", "--arg", "amount=900", "--arg", "to=mallory"],
               exit=1, stdin=token)  # fmt: skip
    yield Step("somebody outside keeps a checkpoint", "nhictl audit checkpoint >witness.note", ["audit", "checkpoint"],
               into="witness.note")  # fmt: skip
    yield Step("the operator ends it", 'nhictl task kill $TASK --reason "asked for a payment"',
               ["task", "kill", task, "--reason", "asked for a payment"])  # fmt: skip
    yield Step("the very next check refuses", said % "reports.read --arg limit=10",
               [*use, "--tool", "reports.read", "--arg", "limit=10"], exit=1, stdin=token)  # fmt: skip
    yield Step("what happened, from the log", "nhictl audit replay --task $TASK --view tree",
               ["audit", "replay", "--task", task, "--view", "tree"])  # fmt: skip
    yield Step("and the log is unaltered", "nhictl audit verify --anchor witness.note",
               ["audit", "verify", "--anchor", "witness.note"])  # fmt: skip
    yield Step("take it elsewhere", "nhictl audit export --to native >log.jsonl", ["audit", "export", "--to", "native"],
               into="log.jsonl")  # fmt: skip
    yield Step("one flipped byte in a copy shows", "nhictl audit verify altered.jsonl --anchor witness.note",
               ["audit", "verify", "altered.jsonl", "--anchor", "witness.note"], exit=1)  # fmt: skip


def _run(folder: Path, known: dict[str, str]) -> Iterator[dict[str, Any]]:
    kept = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "SYSTEMROOT")
    env = {k: v for k, v in os.environ.items() if k in kept} | {"NHICTL_HOME": str(folder / "home")}
    for step in _steps(known):
        argv = [sys.executable, "-m", "nhictl", *step.argv]
        done = subprocess.run(  # noqa: S603  # our own arguments
            argv, input=(step.stdin or "").encode(), capture_output=True, cwd=folder, env=env, check=False
        )
        out = done.stdout.decode(errors="replace")
        if done.returncode != step.exit:
            why = done.stderr.decode(errors="replace").strip() or out.strip()
            raise NhictlError(f"`{step.typed}` ended with {done.returncode}, not {step.exit}: {why[:300]}")
        if step.sets:
            known[step.sets] = out.strip()
            out = f"{step.sets}={out.strip()[:40]}{'…' if len(out.strip()) > 40 else ''}\n"
        if step.into:
            (folder / step.into).write_bytes(done.stdout)
            out = ""
        if step.into == "log.jsonl":
            _flip(folder / "log.jsonl", folder / "altered.jsonl")
        yield {"remark": step.remark, "command": step.typed, "exit": done.returncode, "output": out}


def _flip(source: Path, target: Path) -> None:
    """One byte in the middle of the log, inside a record, becomes another."""
    data = bytearray(source.read_bytes())
    data[len(data) // 2] ^= 1
    target.write_bytes(data)


def command() -> Reply:
    """Show the whole story in a temporary home, with real commands: grant, use, deny, kill, replay, prove.

    Example: nhictl demo
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nhictl-demo-") as name:
        folder = Path(name)
        (folder / "policy.yaml").write_text(POLICY, encoding="utf-8")
        steps = _run(folder, {})
        if session().format() is not None:
            done = list(steps)
            return Reply(Result("nhictl.demo/v1", {}, items=done, items_key="steps"), 0)
        for step in steps:
            sys.stdout.write(f"# {step['remark']}\n$ {step['command']}\n{terminal(step['output'], keep=chr(10))}\n")
            sys.stdout.flush()
    sys.stdout.write(f"# {time.monotonic() - began:.1f} s; the temporary home is gone\n")
    return Reply(None, 0)
