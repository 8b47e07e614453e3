"""The MCP guard as a process between a client and a server that misbehaves."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.policy.box import box_from_mapping
from nhictl.ops.activate_policy import activate
from nhictl.ops.audit_log import verify_home
from nhictl.ops.end_task import end_task
from nhictl.ops.guard_call import Call, Grip, begin
from nhictl.ops.house import House
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.replay import Filter, from_home
from tests.harness import ROOT, SETTINGS
from tests.ops.token_home import records

SERVER = Path(__file__).with_name("mcp_server.py")
POLICY = {
    "nhictl_policy": 1,
    "tools": {
        "s.act": {"args": {"do": "string", "size": {"type": "integer", "optional": True}}},
        "s.hidden": {"args": {}},
    },
    "rules": [
        {
            "id": "ACT",
            "effect": "permit",
            "match": {"tools": ["s.act"]},
            "when": {"args.do": {"not_in": ["evil", "loud"]}},
        },
        {
            "id": "LOUD",
            "effect": "permit",
            "match": {"tools": ["s.act"]},
            "when": {"args.do": {"eq": "loud"}},
            "obligations": [{"type": "notification", "to": "ops"}],
        },
    ],
}


class Proxy:
    """A guarded server, and its client."""

    def __init__(self, home: Path, task: str, before: Sequence[str] = (), options: Sequence[str] = ()) -> None:
        env = {k: v for k, v in os.environ.items() if k not in SETTINGS} | {
            "NHICTL_HOME": str(home), "PYTHONPATH": str(ROOT), "NHICTL_TASK": task, "GITHUB_TOKEN": "mints", "PLAIN": "stays",
        }  # fmt: skip
        command = [sys.executable, "-m", "nhictl", *before, "guard", "mcp", "--prefix", "s.", *options, "--"]
        self.process = subprocess.Popen(
            [*command, sys.executable, str(SERVER)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env,
        )  # fmt: skip
        self.ident = 0

    def send(self, method: str = "tools/call", tool: str = "act", **args: Any) -> int:
        self.ident += 1
        assert self.process.stdin is not None
        params = {"name": tool, "arguments": args}
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

    def wait_for(self, records: int, stage: Stage) -> None:
        """Until that many records of calls are in the log."""
        for _ in range(400):
            if len(stage.log()) >= records:
                return
            time.sleep(0.02)
        raise AssertionError(f"{stage.log()}, and the guard said {self.process.poll()}")

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

    def proxy(self, before: Sequence[str] = (), options: Sequence[str] = ()) -> Proxy:
        self.house.close()
        self.proxies.append(Proxy(self.house.home, self.task, before, options))
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
    large = proxy.ask(do="large", size=50_000_000)  # many times what a pipe holds
    assert len(large["result"]["content"][0]["text"]) == 50_000_000
    proxy.send(do="garbage")
    assert proxy.receive()["id"] == proxy.ident  # the line before it was no message, and was not passed
    end_task(stage.house, stage.task, "killed", None)
    stage.house.close()
    assert proxy.ask(do="nothing")["result"]["_meta"]["nhictl/reason"] == "task_killed"
    assert proxy.end() == 0
    ok = [("tool.called", "ok"), ("tool.returned", "ok")]
    assert stage.log() == [*ok, ("tool.called", "deny"), *ok, *ok, *ok, ("tool.called", "deny")]
    assert b"was not passed" in (proxy.process.stderr.read() if proxy.process.stderr else b"")


def test_a_call_of_another_shape_than_declared_is_denied_with_its_reason(stage: Stage) -> None:
    proxy = stage.proxy()
    for args, word in (
        ({"do": "nothing", "more": 1}, "more"),
        ({}, "do"),
        ({"do": 1}, "do"),
        ({"do": "x", "size": "1"}, "size"),
    ):
        said = proxy.ask(**args)["result"]
        assert said["_meta"]["nhictl/reason"] == "invalid_request", args
        assert word in said["content"][0]["text"]
    said = proxy.ask(tool="unheard", do="nothing")["result"]
    assert (said["isError"], said["_meta"]["nhictl/reason"]) == (True, "invalid_request")
    assert "isError" not in proxy.ask(do="nothing", size=1)["result"]
    assert proxy.end() == 0
    assert stage.log() == [("tool.called", "deny")] * 5 + [("tool.called", "ok"), ("tool.returned", "ok")]


def test_an_obligation_that_nobody_is_said_to_perform_denies(stage: Stage) -> None:
    for options, allowed in (((), False), (("--performs", "other"), False), (("--performs", "notification"), True)):
        proxy = stage.proxy(options=options)
        got = proxy.ask(do="loud")["result"]
        assert ("isError" not in got) is allowed
        assert allowed or "notification" in got["content"][0]["text"]
        assert proxy.end() == 0


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


ENDINGS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.mark.parametrize("number", [signal.SIGKILL, *ENDINGS])
def test_a_guard_that_is_ended_leaves_no_server_and_what_was_open_is_not_called_done(
    stage: Stage, number: signal.Signals
) -> None:
    proxy = stage.proxy()
    proxy.ask(do="nothing")
    server = _child_of(proxy.process.pid)
    proxy.send(do="hang")
    proxy.wait_for(3, stage)
    proxy.process.send_signal(number)
    status = proxy.process.wait(30)
    for _ in range(200):
        if _gone(server):
            break
        time.sleep(0.05)
    assert _gone(server)
    ok = [("tool.called", "ok"), ("tool.returned", "ok"), ("tool.called", "ok")]
    told = number is not signal.SIGKILL  # which nobody is told of
    assert status == (128 + number if told else -number)
    assert stage.log() == [*ok, ("tool.returned", "error")][: 4 if told else 3]
    if told:
        ext = records(stage.house)[-1]["ext"]
        assert (ext["answered"], ext["error"]) == (False, f"the guard was told to end ({number.name})")
    calls = [one for one in from_home(stage.house, Filter()).events if one.type == "tool.called"]
    assert [one.outcome for one in calls] == ["ok", "unknown"]


def test_calls_that_pass_while_it_is_told_to_end_are_all_settled(stage: Stage) -> None:
    for pause in (0.0, 0.02, 0.05, 0.1, 0.2):
        proxy = stage.proxy()
        proxy.ask(do="nothing")
        for _ in range(20):
            proxy.send(do="nothing")
        time.sleep(pause)
        proxy.process.send_signal(signal.SIGTERM)
        assert proxy.process.wait(30) == 128 + signal.SIGTERM
    kinds = [kind for kind, _ in stage.log()]
    assert kinds.count("tool.called") == kinds.count("tool.returned") > 5


def test_a_client_that_is_gone_is_not_waited_for(stage: Stage) -> None:
    proxy = stage.proxy()
    proxy.send(do="hang")
    proxy.wait_for(1, stage)
    assert proxy.process.stdin is not None
    assert proxy.process.stdout is not None
    proxy.process.stdin.close()
    with pytest.raises(subprocess.TimeoutExpired):
        proxy.process.wait(1)  # it may still want the answer
    assert len(stage.log()) == 1
    proxy.process.stdout.close()
    proxy.wait_for(2, stage)
    assert records(stage.house)[-1]["ext"]["error"] == "the client has gone"
    proxy.process.wait(30)


def test_a_server_that_takes_nothing_any_more_ends_the_session(stage: Stage) -> None:
    proxy = stage.proxy()
    proxy.send(do="deaf")
    for _ in range(200):
        if proxy.process.poll() is not None:
            break
        with contextlib.suppress(BrokenPipeError):
            proxy.send(do="nothing")
        time.sleep(0.1)
    assert proxy.process.wait(30) == 128 + signal.SIGTERM  # how the server ended
    found = stage.log()
    assert found.count(("tool.called", "ok")) == found.count(("tool.returned", "error")) >= 2
    assert records(stage.house)[-1]["ext"]["error"] == "the server takes nothing any more"


def _under_a_run(stage: Stage) -> tuple[Proxy, int, int]:
    """A guard under `nhictl run`, which holds all the authority there is; the ids of the guard and of its server."""
    what = ["--agent", "bot", "--intent", "act", "--purpose", "acting", "--allow", "s.*", "--audience", "urn:guard"]
    proxy = stage.proxy(["run", *what, "--", sys.executable, "-m", "nhictl"], ["--audience", "urn:guard"])
    proxy.ask(do="nothing")
    guard = _child_of(proxy.process.pid)
    return proxy, guard, _child_of(guard)


def test_a_run_that_is_told_to_end_tells_its_guard(stage: Stage) -> None:
    proxy, _, server = _under_a_run(stage)
    proxy.send(do="hang")
    proxy.wait_for(3, stage)
    proxy.process.send_signal(signal.SIGTERM)
    assert proxy.process.wait(30) == 128 + signal.SIGTERM
    assert _gone(server)
    kinds = [(r["type"], (r.get("ext") or {}).get("error")) for r in records(stage.house)[-2:]]
    assert kinds == [("tool.returned", "the guard was told to end (SIGTERM)"), ("task.closed", None)]


@pytest.mark.parametrize("killed", ["guard", "run", "both"])
def test_the_kill_of_a_guard_under_a_run_leaves_no_authority(stage: Stage, killed: str) -> None:
    proxy, guard, server = _under_a_run(stage)
    task = str(records(stage.house)[-1]["task"])
    assert task != stage.task
    grip = Grip("test", task=task)
    assert begin(stage.house, grip, Call("s.act", {"do": "nothing"})).allowed
    stage.house.close()
    proxy.send(do="hang")
    proxy.wait_for(4, stage)
    if killed == "both":
        proxy.process.send_signal(signal.SIGSTOP)
    if killed != "run":
        os.kill(guard, signal.SIGKILL)
    if killed != "guard":
        proxy.process.kill()
    proxy.process.wait(30)
    after = begin(stage.house, grip, Call("s.act", {"do": "nothing"}))
    assert (after.allowed, after.reason) == (False, "lease_lost" if killed != "guard" else "task_closed")
    for _ in range(200):
        if _gone(server) and _gone(guard):
            break
        time.sleep(0.05)
    assert _gone(server)
    assert _gone(guard)
    settled = [
        r["ext"]["error"] for r in records(stage.house) if r["type"] == "tool.returned" and r["outcome"] == "error"
    ]
    assert settled == (["the guard was told to end (SIGTERM)"] if killed == "run" else [])


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
