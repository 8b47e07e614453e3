"""The official MCP servers, driven by the official client: with the guard between them only denied calls differ."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.policy.box import box_from_mapping
from nhictl.ops.activate_policy import activate
from nhictl.ops.audit_log import verify_home
from nhictl.ops.house import House
from nhictl.ops.init import initialise
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from tests.harness import ROOT, SETTINGS

pytest.importorskip("mcp")
pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="no npm here")

STRING, NUMBER = {"type": "string"}, {"type": "number"}
POLICY: dict[str, Any] = {
    "nhictl_policy": 1,
    "tools": {
        "every.echo": {"args": {"message": STRING}},
        "every.get-sum": {"args": {"a": NUMBER, "b": NUMBER}},
        "every.get-tiny-image": {"args": {}},
        "every.get-structured-content": {"args": {"location": STRING}},
        "every.trigger-long-running-operation": {"args": {"duration": NUMBER, "steps": NUMBER}},
        "fs.read_text_file": {"args": {"path": {"type": "path"}}, "resource": "args.path"},
        "fs.list_directory": {"args": {"path": {"type": "path"}}, "resource": "args.path"},
        "fs.write_file": {"args": {"path": {"type": "path"}, "content": STRING}, "resource": "args.path"},
    },
    "rules": [
        {"id": "MOST", "effect": "permit", "match": {"tools": ["every.*", "fs.read_text_file", "fs.list_directory"]}},
        {"id": "SMALL", "effect": "forbid", "match": {"tools": ["every.get-sum"]}, "when": {"args.a": {"gt": 100}}},
    ],
}
EVERY: list[tuple[str, dict[str, Any], bool]] = [
    ("echo", {"message": "grüße \u202e"}, True), ("get-sum", {"a": 1, "b": 2.5}, True), ("get-sum", {"a": 101, "b": 0}, False),
    ("get-tiny-image", {}, True), ("get-structured-content", {"location": "New York"}, True), ("get-env", {}, False),
    ("trigger-long-running-operation", {"duration": 0.2, "steps": 2}, True), ("echo", {"message": "x", "more": 1}, False),
    ("no-such-tool", {}, False),
]  # fmt: skip


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("servers")
    names = ["@modelcontextprotocol/server-everything", "@modelcontextprotocol/server-filesystem"]
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *names], capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.skip("the servers are not to be had here")
    return folder / "node_modules" / ".bin"


@pytest.fixture
def guarded(tmp_path: Path) -> tuple[House, dict[str, str]]:
    house = House(tmp_path / "home", tmp_path / "home" / "nhictl.db")
    initialise(house, "example.org", None)
    activate(house, [("policy.yaml", json.dumps(POLICY).encode())])
    register(house, Registration("bot", "dev@example.org", "tries servers"), None, None)
    boxes = (box_from_mapping({"tools": ["every.*", "fs.*"]}),)
    task, _ = open_task(house, Order("bot", "try", "trying", boxes, instance="one"))
    house.close()
    env = {k: v for k, v in os.environ.items() if k not in SETTINGS}
    return house, env | {"NHICTL_HOME": str(house.home), "NHICTL_TASK": str(task["id"]), "PYTHONPATH": str(ROOT)}


def session(
    command: list[str], env: dict[str, str], calls: list[tuple[str, dict[str, Any]]]
) -> tuple[list[str], list[Any]]:
    """The names of the tools, and what each call gave: the whole result as the client has it, or the error's text."""
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client

    async def main() -> tuple[list[str], list[Any]]:
        seen: list[Any] = []
        parameters = StdioServerParameters(command=command[0], args=command[1:], env=env)
        with open(os.devnull, "w") as quiet:
            async with stdio_client(parameters, errlog=quiet) as streams, ClientSession(*streams) as client:
                await client.initialize()
                names = [tool.name for tool in (await client.list_tools()).tools]
                for name, args in calls:
                    try:
                        seen.append((await client.call_tool(name, args)).model_dump(mode="json"))
                    except Exception as e:  # noqa: BLE001  # whatever the client makes of it
                        seen.append(f"{type(e).__name__}: {e}")
        return names, seen

    return asyncio.run(main())


def guard(prefix: str, command: list[str]) -> list[str]:
    return [sys.executable, "-m", "nhictl", "guard", "mcp", "--prefix", prefix, "--", *command]


def test_everything(servers: Path, guarded: tuple[House, dict[str, str]]) -> None:
    house, env = guarded
    command = [str(servers / "mcp-server-everything"), "stdio"]
    calls = [(name, args) for name, args, _ in EVERY]
    names, plain = session(command, env, calls)
    mine, through = session(guard("every.", command), env, calls)
    assert mine == [name for name in names if f"every.{name}" in POLICY["tools"]]
    for (name, args, allowed), before, after in zip(EVERY, plain, through, strict=True):
        assert (before == after) is allowed, (name, args, before, after)
        if not allowed:
            assert "nhictl:" in json.dumps(after)
    assert verify_home(house, ()).exit == 0
    house.close()


def test_the_file_system(servers: Path, guarded: tuple[House, dict[str, str]], tmp_path: Path) -> None:
    _, env = guarded
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.txt").write_text("what stands in it\n")
    command = [str(servers / "mcp-server-filesystem"), str(folder)]
    calls: list[tuple[str, dict[str, Any]]] = [
        ("list_directory", {"path": str(folder)}), ("read_text_file", {"path": str(folder / "a.txt")}),
        ("read_text_file", {"path": "/etc/passwd"}), ("write_file", {"path": str(folder / "b.txt"), "content": "x"}),
    ]  # fmt: skip
    _, through = session(guard("fs.", command), env, calls)
    assert (folder / "b.txt").exists() is False
    _, plain = session(command, env, calls)
    assert (folder / "b.txt").exists() is True
    assert through[0] == {**plain[0], **through[0]}
    assert [a == b for a, b in zip(plain, through, strict=True)][1:] == [True, True, False]
