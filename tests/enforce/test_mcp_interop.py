"""The guard between the official Python SDK's client and the official servers: with it and without, the same but for what
is denied.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.policy.box import box_from_mapping
from nhictl.core.policy.tool_digest import tool_digest
from nhictl.ops.activate_policy import activate
from nhictl.ops.end_task import end_task
from nhictl.ops.house import House
from nhictl.ops.init import initialise
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from tests.enforce.mcp_packages import program
from tests.harness import ROOT, SETTINGS
from tests.ops.token_home import records

mcp = pytest.importorskip("mcp")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

OPEN = {"args": "open"}
TOOLS: dict[str, dict[str, Any]] = {
    "e.echo": {"args": {"message": "string"}}, "e.get-sum": {"args": {"a": "number", "b": "number"}},
    "e.trigger-long-running-operation": OPEN, "e.get-env": OPEN,
    "f.read_text_file": OPEN, "f.write_file": {"args": {"path": "path", "content": "string"}, "resource": "args.path"},
    "f.list_directory": {"args": {"path": "path"}, "resource": "args.path"},
}  # fmt: skip
RULES = [
    {"id": "EVERYTHING", "effect": "permit", "match": {"tools": ["e.echo", "e.get-sum", "e.trigger-*"]}},
    {"id": "LOUD", "effect": "forbid", "match": {"tools": ["e.echo"]}, "when": {"args.message": {"in": ["loud"]}}},
    {"id": "FILES", "effect": "permit", "match": {"tools": ["f.*"]}},
]


class Home:
    def __init__(self, folder: Path, digest: str | None = None) -> None:
        self.house = House(folder, folder / "nhictl.db")
        initialise(self.house, "example.org", None)
        tools: dict[str, Any] = dict(TOOLS)
        if digest is not None:
            tools["e.echo"] = {**TOOLS["e.echo"], "digest": digest}
        activate(self.house, [("p.yaml", json.dumps({"nhictl_policy": 1, "tools": tools, "rules": RULES}).encode())])
        register(self.house, Registration("bot", "dev@example.org", "acts"), None, None)
        boxes = (box_from_mapping({"tools": ["e.*", "f.*"]}),)
        self.task = str(open_task(self.house, Order("bot", "act", "acting", boxes, instance="one"))[0]["id"])
        self.house.close()

    def command(self, prefix: str, *words: str) -> list[str]:
        return [sys.executable, "-m", "nhictl", "guard", "mcp", "--prefix", prefix, *words]

    @property
    def env(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        return env | {"NHICTL_HOME": str(self.house.home), "NHICTL_TASK": self.task, "PYTHONPATH": str(ROOT)}

    def calls(self) -> list[tuple[str, str, str]]:
        found = records(self.house)
        self.house.close()
        return [(r["type"], r["outcome"], r["tool"]) for r in found if r["type"].startswith("tool.")]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "home")
    yield made
    made.house.close()


def stdio(command: Sequence[str], env: dict[str, str]) -> Any:
    return mcp.StdioServerParameters(command=command[0], args=list(command[1:]), env=env)


async def say(client: Any, tool: str, **args: Any) -> Any:
    """What a client makes of one call: its content as JSON, or the error."""
    try:
        return (await client.call_tool(tool, args)).model_dump(mode="json", exclude_none=True)
    except mcp.MCPError as e:
        return {"error": str(e)}


async def everything(target: Any) -> dict[str, Any]:
    """One session with the server of all kinds of things."""
    from mcp.client.client import Client

    seen: dict[str, Any] = {}
    came: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        came.append(progress)

    async with Client(target) as client:
        seen["tools"] = {tool.name: tool.model_dump(mode="json") for tool in (await client.list_tools()).tools}
        seen["quiet"] = await say(client, "echo", message="quiet – ∅")
        seen["loud"] = await say(client, "echo", message="loud")
        seen["sum"] = await say(client, "get-sum", a=1.5, b=2)
        seen["wrong"] = await say(client, "get-sum", a="x", b=2)
        seen["env"] = bool(await say(client, "get-env"))
        seen["unknown"] = await say(client, "no-such-tool")
        slow = await client.call_tool(
            "trigger-long-running-operation", {"duration": 0.2, "steps": 2}, progress_callback=on_progress
        )
        seen["slow"], seen["progress"] = slow.model_dump(mode="json"), came
    return seen


def compare(bare: dict[str, Any], guarded: dict[str, Any]) -> None:
    assert set(guarded["tools"]) == {"echo", "get-sum", "trigger-long-running-operation"}
    assert all(bare["tools"][name] == tool for name, tool in guarded["tools"].items())
    for name in ("quiet", "sum", "slow", "progress"):
        assert guarded[name] == bare[name], name
    assert "Echo: loud" in json.dumps(bare["loud"])
    assert "forbidden" in json.dumps(guarded["loud"])
    for name, reason in (("wrong", "invalid_request"), ("unknown", "")):
        assert "nhictl" in json.dumps(guarded[name])
        assert reason in json.dumps(guarded[name])


def test_a_session_with_everything_over_stdio(home: Home) -> None:
    server = program("everything")
    bare = asyncio.run(everything(stdio(server, dict(os.environ))))
    guarded = asyncio.run(everything(stdio(home.command("e.", "--", *server), home.env)))
    compare(bare, guarded)
    called = [(outcome, tool) for kind, outcome, tool in home.calls() if kind == "tool.called"]
    assert called[:3] == [("ok", "e.echo"), ("deny", "e.echo"), ("ok", "e.get-sum")]


@contextlib.contextmanager
def running(command: Sequence[str], env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(list(command), env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()


@contextlib.contextmanager
def over_http(home: Home) -> Iterator[tuple[str, str]]:
    """The addresses of the server and of the guard before it."""
    server = program("everything")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/mcp"
    with running([*server, "streamableHttp"], {**os.environ, "PORT": str(port)}):
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        with running(home.command("e.", "--url", url), home.env) as guard:
            assert guard.stdout is not None
            yield url, guard.stdout.readline().decode().strip()


def test_a_session_with_everything_over_http_and_a_killed_task(home: Home) -> None:
    from mcp.client.client import Client

    async def until_killed(address: str) -> tuple[Any, Any]:
        async with Client(address) as client:
            before = await say(client, "echo", message="a")
            end_task(home.house, home.task, "killed", None)
            home.house.close()
            return before, await say(client, "echo", message="a")

    with over_http(home) as (url, address):
        compare(asyncio.run(everything(url)), asyncio.run(everything(address)))
        before, after = asyncio.run(until_killed(address))
    assert "Echo: a" in json.dumps(before)
    assert "task_killed" in json.dumps(after)
    calls = home.calls()
    assert [kind for kind, *_ in calls].count("tool.returned") == len(
        [1 for kind, outcome, _ in calls if outcome == "ok" and kind == "tool.called"]
    )


def test_a_tool_that_is_described_otherwise_than_declared(tmp_path: Path) -> None:
    from mcp.client.client import Client

    server = program("everything")

    async def listed() -> Any:
        async with Client(stdio(server, dict(os.environ))) as client:
            return next(tool for tool in (await client.list_tools()).tools if tool.name == "echo")

    tool = asyncio.run(listed()).model_dump(mode="json", by_alias=True, exclude_none=True)

    async def session(home: Home) -> tuple[list[str], Any]:
        async with Client(stdio(home.command("e.", "--", *server), home.env)) as client:
            said = await say(client, "echo", message="a")  # before anybody listed
            return [one.name for one in (await client.list_tools()).tools], said

    good = Home(tmp_path / "good", tool_digest("echo", tool["description"], tool["inputSchema"]))
    names, said = asyncio.run(session(good))
    assert "echo" in names
    assert "Echo: a" in json.dumps(said)
    drifted = Home(tmp_path / "drifted", tool_digest("echo", "as it was once", tool["inputSchema"]))
    names, said = asyncio.run(session(drifted))
    assert "echo" not in names
    assert "tool_drift" in json.dumps(said)
    assert drifted.calls() == [("tool.called", "deny", "e.echo")]


def test_a_session_with_the_file_server(home: Home, tmp_path: Path) -> None:
    from mcp.client.client import Client

    server = program("filesystem")
    folder = tmp_path / "files"
    folder.mkdir()

    async def session() -> list[Any]:
        async with Client(stdio(home.command("f.", "--", *server, str(folder)), home.env)) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            big = "∅" * 1_000_000
            return [
                names, await say(client, "write_file", path=str(folder / "a"), content=big),
                await say(client, "read_text_file", path=str(folder / "a")),
                await say(client, "read_text_file", path="/etc/passwd"),
                await say(client, "move_file", source=str(folder / "a"), destination=str(folder / "b")),
            ]  # fmt: skip

    names, written, read, outside, moved = asyncio.run(session())
    assert names == {"read_text_file", "write_file", "list_directory"}
    assert (folder / "a").read_text() == "∅" * 1_000_000
    assert "∅" * 1_000_000 in json.dumps(read, ensure_ascii=False)
    assert "is_error" in json.dumps(outside)
    assert "nhictl" in json.dumps(moved)
    assert not (folder / "b").exists()
    assert "error" not in [outcome for _, outcome, tool in home.calls() if tool == "f.write_file"]
    assert written


def test_the_inspectors_command_line(home: Home, tmp_path: Path) -> None:
    inspector, server = program("inspector"), program("everything")
    guard = tmp_path / "guard.sh"
    guard.write_text(f"#!/bin/sh\nexec {shlex.join(home.command('e.', '--', *server))}\n")
    guard.chmod(0o755)

    def inspect(*words: str) -> Any:
        env = [
            word for name in ("NHICTL_HOME", "NHICTL_TASK", "PYTHONPATH") for word in ("-e", f"{name}={home.env[name]}")
        ]
        done = subprocess.run([*inspector, "--cli", str(guard), *words, *env], capture_output=True, timeout=60)
        return json.loads(done.stdout)

    names = [tool["name"] for tool in inspect("--method", "tools/list")["tools"]]
    assert sorted(names) == ["echo", "get-sum", "trigger-long-running-operation"]
    said = inspect("--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=loud")
    assert said["isError"] is True
