"""A hook whose home cannot decide or record: it blocks, and works again when the home does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nhictl.enforce.hook import event as events
from nhictl.enforce.hook.handle import handle
from nhictl.enforce.hook.hosts import HOSTS
from nhictl.errors import ConflictError
from nhictl.ops.activate_policy import activate
from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from nhictl.ops.register_agent import Registration, register
from nhictl.store.lock import WriteLock
from tests.enforce.test_hook import POLICY, register_projects, text
from tests.harness import ROOT, SETTINGS, Program
from tests.store.test_full_disk import disk, fill, kind

__all__ = ["disk", "kind"]


def guarded_home(home: Path, project: Path) -> House:
    house = House(home, home / DATABASE)
    initialise(house, "example.org", None)
    activate(house, [("policy.yaml", json.dumps(POLICY).encode())])
    register(house, Registration("coder", "dev@example.org", "writes code"), None, None)
    register_projects(home, project)
    house.close()
    return house


@pytest.mark.parametrize("began", [False, True], ids=["first call", "later call"])
def test_a_full_disk_blocks(nhictl: Program, disk: Path, tmp_path: Path, began: bool) -> None:
    house = guarded_home(disk / "home", tmp_path)

    def ask(ident: str) -> tuple[int, str]:
        ran = nhictl("guard", "hook", "claude-code", stdin=text(tmp_path, tool_use_id=ident).decode(), home=house.home)
        assert ran.rc == 0 or ran.err.strip()
        return ran.rc, ran.out

    if began:
        assert ask("a")[0] == 0
    noise = set(disk.iterdir())
    fill(disk)
    assert ask("b") == (2, "")
    for file in set(disk.iterdir()) - noise:
        file.unlink()
    assert ask("c")[0] == 0


def test_a_lock_that_is_not_had_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    house = guarded_home(tmp_path / "home", tmp_path)
    house.lock_timeout = 0.05
    lock = WriteLock(house.lock_path)
    lock.acquire(0)
    with pytest.raises(ConflictError):
        handle(house, HOSTS["claude-code"], events.parse(text(tmp_path)), None)
    lock.release()
    house.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGALRM, signal.SIGINT, signal.SIGHUP])
def test_a_hook_that_is_ended_while_it_waits_is_no_yes(tmp_path: Path, number: signal.Signals) -> None:
    from nhictl.ops.guard_install import command_for

    house = guarded_home(tmp_path / "home", tmp_path)
    command = command_for("claude-code", (sys.executable, "-P", "-m", "nhictl"), house.home, None, None)
    inner = command.replace("/usr/bin/timeout -k 2 40 ", "")
    env: dict[str, Any] = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        ["/bin/sh", "-c", inner], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
    ) as shell:
        child = _last_child(shell.pid)
        os.kill(child, number)  # it waits for its event, which never comes
        assert shell.stdout is not None
        assert shell.stderr is not None
        assert shell.stdout.read() == b""
        assert shell.stderr.read().strip()
        assert shell.wait(30) == 2


def _last_child(pid: int) -> int:
    """The interpreter that the shells have started, once it has."""
    import time

    for _ in range(500):
        found = [pid]
        while below := Path(f"/proc/{found[-1]}/task/{found[-1]}/children").read_text().split():
            found.append(int(below[0]))
        if b"guard" in (line := Path(f"/proc/{found[-1]}/cmdline").read_bytes()) and line.startswith(
            sys.executable.encode()
        ):
            return found[-1]
        time.sleep(0.01)
    raise AssertionError("nothing was started")
