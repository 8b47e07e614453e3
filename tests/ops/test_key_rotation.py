"""Keys change while tokens are issued all the while, while processes are killed, and while two change them at once."""

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

from nhictl.errors import ConflictError
from nhictl.ops import audit_log, change_key
from nhictl.store import work
from tests.harness import ROOT
from tests.ops.key_board import CHECKED, CLOCK, FETCHES, ISSUED, ISSUERS, PATIENCE_S, STOP, UNKNOWN, nap, new_board
from tests.ops.key_house import SETTLED, Keys, signer
from tests.ops.trust_home import AUDIENCE

pytest.importorskip("jwt")


class Load:
    """Issuers and relying parties at work in processes of their own, in a time that passes as the test says."""

    def __init__(self, home: Keys, folder: Path) -> None:
        self.home = home
        self.numbers = new_board(folder / "board")
        self.numbers[CLOCK] = home.clock.now_us
        home.house.clock = lambda: self.numbers[CLOCK]
        os.mkfifo(folder / "pipe")
        order = {
            "board": str(folder / "board"), "pipe": str(folder / "pipe"), "home": str(home.house.home), "task": home.task,
            "audience": AUDIENCE, "folder": str(home.served),
        }  # fmt: skip
        self.consumer = self._start("tests.ops.key_consumer", order)
        self.issuers = [self._start("tests.ops.key_issuer", order | {"me": me}) for me in range(ISSUERS)]
        self.wait()

    @staticmethod
    def _start(module: str, order: dict[str, Any]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=ROOT,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(json.dumps(order))
        process.stdin.close()
        return process

    def wait(self, rounds: int = 2) -> None:
        """Until every issuer has gone round so often, and the parties have checked what it had issued by then.

        After two rounds, whatever was under way when this began has been checked here and there.
        """
        least = [self.numbers[ISSUED + me] + rounds for me in range(ISSUERS)]
        until = time.monotonic() + PATIENCE_S
        while any(self.numbers[CHECKED + me] < least[me] for me in range(ISSUERS)):
            assert time.monotonic() < until, "nothing moves"
            assert all(one.poll() is None for one in (self.consumer, *self.issuers)), "a process died"
            nap()

    def go_on(self, seconds: int, step: int = 20) -> None:
        """Let time pass under load: tokens are issued and checked in every few seconds of it."""
        while seconds > 0:
            self.numbers[CLOCK] += min(step, seconds) * 1_000_000
            seconds -= step
            self.wait(1)

    def end(self) -> tuple[list[str], dict[str, Any]]:
        """What issuers found wrong, and what the relying parties say."""
        self.numbers[STOP] = 1
        said = []
        for one in (*self.issuers, self.consumer):
            assert one.stdout is not None
            said.append(json.loads(one.stdout.read()))
            assert one.wait(PATIENCE_S) == 0
        return [fault for faults in said[:-1] for fault in faults], said[-1]

    def kill(self) -> None:
        """End all processes that are left."""
        for one in (self.consumer, *self.issuers):
            one.kill()
            one.wait()
            assert one.stdout is not None
            one.stdout.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Keys]:
    made = Keys(tmp_path)
    yield made
    made.house.close()


@contextlib.contextmanager
def load(home: Keys, folder: Path) -> Iterator[Load]:
    """Load that ends with the test."""
    made = Load(home, folder)
    try:
        yield made
    finally:
        made.kill()


def test_rotation_under_load(home: Keys, tmp_path: Path) -> None:
    """Every token verifies here and with everybody who refreshes by the hint, until its key is revoked."""
    with load(home, tmp_path) as under:
        under.go_on(60)
        kid = home.prepare()
        under.go_on(SETTLED - 10)
        with pytest.raises(ConflictError):
            change_key.activate(home.house, kid)
        under.go_on(10)
        change_key.activate(home.house, kid)
        under.go_on(120)
        change_key.taint(home.house, home.first)
        under.go_on(30)
        last = next(row for row in reversed(work.tokens(home.house.db)) if row.key == 2)
        assert change_key.revoke(home.house, home.first).dependent > 0, "some of its tokens were alive still"
        under.go_on(330)
        assert under.numbers[UNKNOWN] == 0
        fetches = under.numbers[FETCHES]
        wrong, told = under.end()
    assert wrong == []
    assert told == {"wrong": [], "keys": [[kid]] * 6}
    assert fetches >= 6 * 3
    issued = [one["ext"]["kid"] for one in home.records() if one["type"] == "token.issued"]
    assert issued == sorted(issued, key=[home.first, kid].index), "one key after the other"
    assert min(issued.count(home.first), issued.count(kid)) > 3 * ISSUERS
    assert last.revoked is None
    assert audit_log.verify_home(home.house, []).exit == 0


def test_without_the_wait_somebody_meets_an_unknown_key(home: Keys, tmp_path: Path) -> None:
    """The same load tells when a signer comes too early, so that the test above can fail."""
    with load(home, tmp_path) as under:
        under.go_on(30)
        change_key.activate(home.house, home.prepare(), now=True)
        under.go_on(330)
        wrong, _ = under.end()
        assert under.numbers[UNKNOWN] > 0
    assert wrong == [], "here it is known at once"


KILLED = """
import os, signal, sys
from pathlib import Path
from nhictl.ops import change_key, publish_trust
from nhictl.ops.house import DATABASE, House

home, verb, kid, where, left, now_us = Path(sys.argv[1]), *sys.argv[2:5], int(sys.argv[5]), int(sys.argv[6])

def die(*args, **named):
    os.kill(os.getpid(), signal.SIGKILL)

if where == "rename":
    real = os.rename
    def rename(*args, **named):
        global left
        left -= 1
        if left < 0:
            die()
        return real(*args, **named)
    os.rename = rename
elif where == "commit":
    from nhictl.ops import act
    act._commit = die
else:
    setattr(change_key, where, die)
house = House(home, home / DATABASE, clock=lambda: now_us)
if verb == "prepare":
    change_key.prepare(house)
else:
    getattr(change_key, verb)(house, kid)
"""


@pytest.mark.parametrize(
    ("verb", "where", "left", "done"),
    [
        ("prepare", "commit", 0, False), ("prepare", "republish", 0, True), ("prepare", "rename", 0, True),
        ("prepare", "rename", 1, True), ("activate", "republish", 0, False), ("activate", "transact", 0, False),
        ("activate", "commit", 0, False), ("taint", "commit", 0, False), ("taint", "republish", 0, True),
        ("revoke", "commit", 0, False), ("revoke", "republish", 0, True), ("revoke", "rename", 1, True),
    ],
)  # fmt: skip
def test_killed_between_the_steps(home: Keys, verb: str, where: str, left: int, done: bool) -> None:
    """What is recorded is done and what is not is not; whoever comes next goes on from there."""
    kid = "" if verb == "prepare" else home.prepare()
    home.clock.advance(SETTLED)
    if verb in ("taint", "revoke"):
        change_key.activate(home.house, kid)
        kid = home.first
    if verb == "revoke":
        change_key.taint(home.house, kid)
    token, before, size = home.token(), home.states(), len(home.records())
    arguments = [str(home.house.home), verb, kid, where, str(left), str(home.clock.now_us)]
    process = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False, env={"PYTHONPATH": str(ROOT)})
    assert process.returncode == -signal.SIGKILL
    if done:
        assert home.states() != before
        assert (
            home.records()[size]["type"]
            == {"prepare": "key.prepared", "taint": "key.tainted", "revoke": "key.revoked"}[verb]
        )
    else:
        assert (home.states(), len(home.records())) == (before, size)
    assert home.reason(token) == ("key_revoked" if done and verb == "revoke" and signer(token) == kid else "valid")
    _finish(home)


def _finish(home: Keys) -> None:
    """Rotate to the end from wherever it stopped."""
    kid = (home.kids("prepared") or [home.prepare()])[0]
    with contextlib.suppress(ConflictError):  # too early, but what a killed one left undone is published now
        change_key.activate(home.house, kid)
    home.clock.advance(SETTLED)
    if home.states()[kid] == "prepared":
        change_key.activate(home.house, kid)
    for old in home.kids("old"):
        change_key.taint(home.house, old)
    for old in home.kids("tainted"):
        change_key.revoke(home.house, old)
    assert home.shown()[:2] == (home.kids("active"),) * 2
    assert signer(home.token()) in home.shown()[0]
    assert sorted(path.name for path in home.served.glob(".*.new")) == []
    assert audit_log.verify_home(home.house, []).exit == 0


@pytest.mark.parametrize("verb", ["activate", "taint", "revoke"])
def test_two_at_once(home: Keys, tmp_path: Path, verb: str) -> None:
    """One does it, the other is told that it is done."""
    kid = home.prepare()
    if verb != "activate":
        home.clock.advance(SETTLED)
        change_key.activate(home.house, kid)
        kid = home.first
    if verb == "revoke":
        change_key.taint(home.house, kid)
    code = (
        "import sys,time\nfrom nhictl.cli.main import main\nwhile time.time() < float(sys.argv[1]): pass\n"
        "sys.exit(main(sys.argv[2:]))"
    )
    words = ["--home", str(home.house.home), "--json", "key", verb, kid, *(["--now"] if verb != "revoke" else [])]
    start = str(time.time() + 0.8)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, start, *words], env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        ) for _ in range(3)
    ]  # fmt: skip
    said = [(*one.communicate(timeout=PATIENCE_S), one.returncode) for one in running]
    assert sorted(code for *_, code in said) == [0, 5, 5], said
    state = {"activate": "active", "taint": "tainted", "revoke": "revoked"}[verb]
    assert home.states()[kid] == state
    assert {json.loads(err)["error"]["code"] for _, err, code in said if code} == {f"key_{state}"}
    kinds = [one["type"] for one in home.records() if one.get("ext", {}).get("kid") == kid]
    assert kinds.count({"active": "key.activated"}.get(state, f"key.{state}")) == 1
