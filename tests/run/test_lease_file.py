"""The lease by itself: who has it, and that nobody can pretend to."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhictl.errors import UnavailableError
from nhictl.ops import leases
from nhictl.store import lease
from tests.harness import ROOT

HOLD = """
import sys
from pathlib import Path
from typing import Any
from nhictl.ops.leases import this_process
from nhictl.store import lease
path = Path(sys.argv[1])
lease.take(path)
if sys.argv[2] == "looks":
    assert lease.holder(path) == this_process().pid
print(*this_process(), flush=True)
sys.stdin.read()
"""
LOCK = "import fcntl,sys; f=open(sys.argv[1],'r+'); fcntl.lockf(f,fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"


class Holding:
    """A process that has the lease."""

    def __init__(self, path: Path, how: str = "", code: str = HOLD) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(path), how], env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout is not None
        words = self.process.stdout.readline().split()
        if words:
            host, boot, namespace, pid, start = words
            self.known = leases.Holder(host, boot, namespace, int(pid), start)

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "leases" / "t-1"


@pytest.fixture
def holding(path: Path) -> Iterator[Holding]:
    found = Holding(path)
    yield found
    found.end()


def test_held_until_its_process_is_gone(path: Path, holding: Holding) -> None:
    assert lease.holder(path) == holding.process.pid
    assert leases.judge(holding.known, path) == "held"
    assert leases.judge(holding.known, path) == "held", "looking took nothing"
    holding.end()
    assert lease.holder(path) is None
    assert leases.judge(holding.known, path) == "lost"


def test_looking_at_ones_own_lease_does_not_drop_it(path: Path) -> None:
    found = Holding(path, "looks")
    try:
        assert leases.judge(found.known, path) == "held"
    finally:
        found.end()


OTHERWISE: dict[str, tuple[dict[str, Any], str]] = {
    "as it is": ({}, "held"),
    "a pid used again: started at another moment": ({"start": "1"}, "lost"),
    "another process has the lock": ({"pid": 1}, "lost"),
    "another boot": ({"boot": "00000000-0000-0000-0000-000000000000"}, "lost"),
    "another host": ({"host": "elsewhere"}, "unseen"),
    "another pid namespace": ({"pid_namespace": "1"}, "unseen"),
    "another boot of another host": ({"host": "elsewhere", "boot": "0"}, "lost"),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_the_holder_is_compared_with_the_record(path: Path, holding: Holding, name: str) -> None:
    changes, expected = OTHERWISE[name]
    assert leases.judge(holding.known._replace(**changes), path) == expected


def test_an_impostor_that_locks_the_file_is_not_the_holder(path: Path, holding: Holding) -> None:
    known = holding.known
    holding.end()
    impostor = Holding(path, code=LOCK)
    try:
        assert lease.holder(path) == impostor.process.pid
        assert leases.judge(known, path) == "lost"
        assert leases.judge(known._replace(pid=impostor.process.pid), path) == "lost", "even with the very pid"
    finally:
        impostor.end()


def test_a_lock_of_another_kind_is_no_lease(path: Path, holding: Holding) -> None:
    """flock and open-file-description locks outlive a process whose children have the descriptor."""
    known = holding.known
    holding.end()
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert leases.judge(known, path) == "lost"


def test_a_file_that_is_gone_or_replaced_is_held_by_nobody(path: Path, holding: Holding) -> None:
    moved = path.with_name("moved")
    path.rename(moved)
    assert leases.judge(holding.known, path) == "lost"
    path.symlink_to(moved)
    assert leases.judge(holding.known, path) == "lost"
    path.unlink()
    path.touch()
    assert leases.judge(holding.known, path) == "lost"
    path.unlink()
    os.mkfifo(path)
    assert leases.judge(holding.known, path) == "lost"


def test_without_proc_nothing_is_decided(path: Path, holding: Holding, tmp_path: Path) -> None:
    assert leases.judge(holding.known, path, tmp_path) == "unseen"
    holding.end()
    assert leases.judge(holding.known, path, tmp_path) == "lost"


def test_one_process_one_lease_a_file(path: Path, holding: Holding) -> None:
    with pytest.raises(UnavailableError, match="file exists"):
        lease.take(path)
    assert leases.judge(holding.known, path) == "held"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_letting_go_of_what_is_not_there(path: Path) -> None:
    lease.let_go(path)
    lease.take(path)
    assert lease.holder(path) == os.getpid()
    lease.let_go(path)
    lease.let_go(path)
    assert lease.holder(path) is None
