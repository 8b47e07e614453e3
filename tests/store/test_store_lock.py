"""The writers' queue: one at a time, a time limit, and let go when its holder is killed."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from nhictl.errors import ConflictError, UnavailableError
from nhictl.ops.act import transact
from nhictl.ops.house import LOCK, House
from nhictl.store.lock import WriteLock
from tests.harness import ROOT

HOLDER = """
import sys
from pathlib import Path
from nhictl.store.lock import WriteLock
lock = WriteLock(Path(sys.argv[1]))
lock.acquire(1)
print("held", flush=True)
sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until its standard input ends or it is killed."""
    made = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert made.stdout is not None
    assert made.stdout.readline() == "held\n"
    return made


def test_had_and_let_go(tmp_path: Path) -> None:
    first, second = WriteLock(tmp_path / "lock"), WriteLock(tmp_path / "lock")
    first.acquire(0)
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600
    with pytest.raises(ConflictError):
        second.acquire(0)
    first.release()
    first.release()
    second.acquire(0)
    second.release()


@pytest.mark.parametrize("timeout", [0, 0.05])
def test_not_had_in_time(tmp_path: Path, timeout: float) -> None:
    held = WriteLock(tmp_path / "lock")
    held.acquire(1)
    before = signal.getsignal(signal.SIGALRM)
    start = time.monotonic()
    with pytest.raises(ConflictError, match="another writer held the lock") as caught:
        WriteLock(tmp_path / "lock").acquire(timeout)
    assert timeout <= time.monotonic() - start < timeout + 2
    assert (caught.value.code, caught.value.exit) == ("lock_timeout", 5)
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    held.release()


def test_not_had_in_time_outside_the_main_thread(tmp_path: Path) -> None:
    held = WriteLock(tmp_path / "lock")
    held.acquire(1)
    seen: list[str] = []

    def wait() -> None:
        try:
            WriteLock(tmp_path / "lock").acquire(0.05)
        except ConflictError as e:
            seen.append(e.code)

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join(10)
    assert seen == ["lock_timeout"]
    held.release()


def test_an_alarm_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    held = WriteLock(tmp_path / "lock")
    held.acquire(1)
    signal.setitimer(signal.ITIMER_REAL, 100)
    try:
        with pytest.raises(ConflictError):
            WriteLock(tmp_path / "lock").acquire(0.05)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 90
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        held.release()


def test_let_go_by_a_killed_process(tmp_path: Path) -> None:
    with holder(tmp_path / "lock") as process:
        with pytest.raises(ConflictError):
            WriteLock(tmp_path / "lock").acquire(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        lock = WriteLock(tmp_path / "lock")
        lock.acquire(5)
        lock.release()


def test_waiting_ends_when_the_holder_does(tmp_path: Path) -> None:
    with holder(tmp_path / "lock") as process:
        assert process.stdin is not None
        timer = threading.Timer(0.1, process.stdin.close)
        timer.start()
        lock = WriteLock(tmp_path / "lock")
        lock.acquire(20)
        lock.release()
        timer.join()
        assert process.wait(10) == 0


WAITER = """
import sys
from pathlib import Path
from nhictl.store.lock import WriteLock
lock = WriteLock(Path(sys.argv[1]))
print("asks", flush=True)
lock.acquire(30)
print("held", flush=True)
sys.stdin.read()
"""


def door_is_shut(path: Path) -> bool:
    """Whether somebody stands at the door: F_OFD_GETLK takes nothing."""
    shape = "hhqqi0q"
    with path.open("r+b") as file:
        asked = struct.pack(shape, fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
        kind: int = struct.unpack(shape, fcntl.fcntl(file, fcntl.F_OFD_GETLK, asked))[0]
    return kind != fcntl.F_UNLCK


def test_who_comes_back_does_not_overtake_who_waits(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = WriteLock(path)
    held.acquire(1)
    waiter = [sys.executable, "-c", WAITER, str(path)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(waiter, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asks\n"
        held.open_door()
        end = time.monotonic() + 20
        while not door_is_shut(path) and time.monotonic() < end:
            time.sleep(0.005)
        held.release()
        with pytest.raises(ConflictError):
            WriteLock(path).acquire(0)
        assert process.stdout.readline() == "held\n"
        process.kill()  # with the door and the turn
    held.acquire(5)
    held.release()


def test_the_door_is_open_again_when_who_waits_gives_up(tmp_path: Path) -> None:
    held = WriteLock(tmp_path / "lock")
    held.acquire(1)
    held.open_door()
    with pytest.raises(ConflictError):
        WriteLock(tmp_path / "lock").acquire(0.05)
    assert not door_is_shut(tmp_path / "lock")
    held.release()
    held.acquire(0)
    assert door_is_shut(tmp_path / "lock")
    held.release()
    assert not door_is_shut(tmp_path / "lock")


def test_an_act_that_does_not_get_the_lock_leaves_nothing(house: House) -> None:
    house.lock_timeout = 0.05
    with holder(house.home / LOCK) as process:
        with pytest.raises(ConflictError) as caught:
            transact(house, lambda act: act.record("key.prepared"))
        assert caught.value.code == "lock_timeout"
        process.kill()
    seq, head = transact(house, lambda act: act.record("key.prepared"))
    assert (seq, head.size) == (2, 3)


def test_no_lock_is_made_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to("elsewhere")
    with pytest.raises(UnavailableError, match="cannot open the lock"):
        WriteLock(tmp_path / "lock").acquire(0)
    assert not (tmp_path / "elsewhere").exists()
