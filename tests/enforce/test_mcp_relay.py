"""The MCP guard as a process between a client and a server that misbehaves."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.policy.box import box_from_mapping
from nhictl.ops.activate_policy import activate
from nhictl.ops.audit_log import verify_home
from nhictl.ops.end_task import end_task
from nhictl.ops.house import House
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from tests.harness import ROOT, SETTINGS
from tests.ops.token_home import records

SERVER = Path(__file__).with_name("mcp_server.py")
POLICY = {
    "nhictl_policy": 1,
    "tools": {
        "s.act": {"args": {"do": "string", "size": {"type": "integer", "optional": True}}},
        "s.hidden": {"args": {}},
    },
    "rules": [{"id": "ACT", "effect": "permit", "match": {"tools": ["s.act"]}, "when": {"args.do": {"ne": "evil"}}}],
}


class Proxy:
    """A guarded server, and its client."""

    def __init__(self, home: Path, task: str) -> None:
        env = {k: v for k, v in os.environ.items() if k not in SETTINGS} | {
            "NHICTL_HOME": str(home), "PYTHONPATH": str(ROOT), "NHICTL_TASK": task, "GITHUB_TOKEN": "mints", "PLAIN": "stays",
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nhictl", "guard", "mcp", "--prefix", "s.", "--", sys.executable, str(SERVER)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env,
        )  # fmt: skip
        self.ident = 0

    def send(self, method: str = "tools/call", **args: Any) -> int:
        self.ident += 1
        assert self.process.stdin is not None
        params = {"name": "act", "arguments": args}
        ask = {"jsonrpc": "2.0", "id": self.ident, "method": method, "params": params}
        self.process.stdin.write(json.dumps(ask).encode() + b"\n")
        self.process.stdin.flush()
        return self.ident

    def receive(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def ask(self, **args: Any) -> Any:
        ident = self.send(**args)
        got = self.receive()
        assert got["id"] == ident
        return got

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(30)


class Stage:
    def __init__(self, house: House) -> None:
        self.house = house
        activate(house, [("policy.yaml", json.dumps(POLICY).encode())])
        register(house, Registration("bot", "dev@example.org", "acts"), None, None)
        boxes = (box_from_mapping({"tools": ["s.*"]}),)
        self.task = str(open_task(house, Order("bot", "act", "acting", boxes, instance="one"))[0]["id"])
        self.proxies: list[Proxy] = []

    def proxy(self) -> Proxy:
        self.house.close()
        self.proxies.append(Proxy(self.house.home, self.task))
        return self.proxies[-1]

    def log(self) -> list[tuple[str, str]]:
        """Type and outcome of the records of calls."""
        assert verify_home(self.house, ()).exit == 0
        return [(r["type"], r["outcome"]) for r in records(self.house) if r["type"].startswith("tool.")]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    from nhictl.ops.init import initialise

    house = House(tmp_path / "home", tmp_path / "home" / "nhictl.db")
    initialise(house, "example.org", None)
    made = Stage(house)
    yield made
    for proxy in made.proxies:
        proxy.process.kill()
        with contextlib.suppress(BrokenPipeError):
            proxy.process.__exit__(None, None, None)
    house.close()


def test_a_session(stage: Stage) -> None:
    proxy = stage.proxy()
    assert [tool["name"] for tool in proxy.ask(method="tools/list")["result"]["tools"]] == ["act"]
    assert "isError" not in proxy.ask(do="nothing")["result"]
    assert proxy.ask(do="evil")["result"]["isError"] is True
    environment = proxy.ask(do="env")["result"]["content"][0]["text"].split()
    assert "PLAIN" in environment
    assert not {"GITHUB_TOKEN", "NHICTL_TASK"} & set(environment)
    large = proxy.ask(do="large", size=5_000_000)  # many times what a pipe holds
    assert len(large["result"]["content"][0]["text"]) == 5_000_000
    proxy.send(do="garbage")
    assert proxy.receive()["id"] == proxy.ident  # the line before it was no message, and was not passed
    end_task(stage.house, stage.task, "killed", None)
    stage.house.close()
    assert proxy.ask(do="nothing")["result"]["_meta"]["nhictl/reason"] == "task_killed"
    assert proxy.end() == 0
    ok = [("tool.called", "ok"), ("tool.returned", "ok")]
    assert stage.log() == [*ok, ("tool.called", "deny"), *ok, *ok, *ok, ("tool.called", "deny")]
    assert b"was not passed" in (proxy.process.stderr.read() if proxy.process.stderr else b"")


def test_a_large_question_and_many_at_once(stage: Stage) -> None:
    proxy = stage.proxy()
    got = proxy.ask(do="x" * 3_000_000)
    assert got["result"]["line"] > 3_000_000
    sent = [proxy.send(do="nothing", size=20_000) for _ in range(40)]
    assert [proxy.receive()["id"] for _ in sent] == sent
    assert proxy.end() == 0
    assert len(stage.log()) == 2 * 41


def test_a_server_that_dies_leaves_its_call_settled_and_its_status(stage: Stage) -> None:
    proxy = stage.proxy()
    proxy.send(do="die")
    assert proxy.process.wait(30) == 3
    assert stage.log() == [("tool.called", "ok"), ("tool.returned", "error")]


def _child_of(pid: int) -> int:
    for _ in range(200):
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if found:
            return int(found[0])
        time.sleep(0.02)
    raise AssertionError("no server was started")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_guard_that_is_killed_leaves_no_server(stage: Stage, number: signal.Signals) -> None:
    proxy = stage.proxy()
    proxy.ask(do="nothing")
    server = _child_of(proxy.process.pid)
    proxy.send(do="hang")
    proxy.process.send_signal(number)
    proxy.process.wait(30)
    for _ in range(200):
        if _gone(server):
            break
        time.sleep(0.05)
    assert _gone(server)


def _gone(pid: int) -> bool:
    """Whether a process has ended, also where nobody has asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in ("Z", "X")
    except OSError:
        return True


@pytest.mark.parametrize(
    ("env", "words", "status"),
    [
        ({"NHICTL_TASK": "t"}, ("--listen", "127.0.0.1:1"), 2), ({"NHICTL_TASK": "t"}, ("--url", "https://x/"), 2),
        ({}, (), 2), ({"NHICTL_TASK": "t"}, ("--deny-as", "silence"), 2), ({"NHICTL_TASK": "t"}, ("--", "/nowhere/server"), 7),
        ({"NHICTL_TASK": "t", "NHICTL_HOME": "/nowhere"}, (), 7), ({"NHICTL_TOKEN_FD": "99"}, ("--audience", "x"), 7),
    ],
)  # fmt: skip
def test_without_authority_or_home_no_server_is_started(
    stage: Stage, nhictl: Any, env: dict[str, str], words: tuple[str, ...], status: int
) -> None:
    stage.house.close()
    command = () if "--" in words else ("--", "sh", "-c", "echo started")
    ran = nhictl("guard", "mcp", *words, *command, env={"NHICTL_HOME": str(stage.house.home)} | env)
    assert (ran.rc, ran.out) == (status, "")
    assert ran.err
