"""Killed at any point an exchange leaves all of itself or nothing; of many at once with one token exactly one wins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from nhictl.ops import audit_log
from nhictl.ops.house import LOCK
from nhictl.store.lock import WriteLock
from tests.harness import ROOT
from tests.ops.ci_issuer import TARGET, github, sign
from tests.ops.exchange_house import Exchange

AT_ONCE = 16
RACER = """
import sys
from pathlib import Path
from nhictl.ops import exchange_token
from nhictl.ops.exchange_checks import Asked
from nhictl.ops.house import DATABASE, House

home, now_us, audience = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
house = House(home, home / DATABASE, clock=lambda: now_us)
house.lock_timeout = 120
real = exchange_token.transact

def queued(*arguments, **options):
    print("ready", flush=True)
    return real(*arguments, **options)

exchange_token.transact = queued
answer, _ = exchange_token.exchange(house, "deploy-main", sys.stdin.buffer.read(), Asked("deploy", audience))
print(getattr(answer, "reason", "exchanged"))
"""
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"}


def test_of_many_at_once_one_wins(tmp_path: Path) -> None:
    """All of them have found the token good before the first of them may take the lock."""
    home = Exchange(tmp_path)
    before, token = home.size(), sign(github())
    held = WriteLock(home.house.home / LOCK)
    held.acquire(10)
    running = []
    try:
        for _ in range(AT_ONCE):
            process = subprocess.Popen(
                [sys.executable, "-c", RACER, str(home.house.home), str(home.now), TARGET], env=ENVIRONMENT, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            assert process.stdin is not None
            process.stdin.write(token.decode())
            process.stdin.close()
            process.stdin = None
            running.append(process)
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", process.communicate()[1]
        held.release()
        said = [process.communicate(timeout=120) for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert Counter(out.strip() for out, _ in said) == {"exchanged": 1, "jti_replayed": AT_ONCE - 1}, said
    kinds = Counter(record["type"] for record in home.records()[before:])
    assert kinds == {"task.opened": 1, "token.issued": 1, "token.exchanged": 1, "token.denied": 1}
    assert home.house.db.execute("SELECT count(*) FROM task").fetchone() == (1,)
    assert audit_log.verify_home(home.house, ()).exit == 0


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """One row a point of death; the last is the exchange undisturbed."""
    folder = tmp_path_factory.mktemp("crash")
    home = Exchange(folder)
    home.house.close()
    driver = [sys.executable, "-m", "tests.ops.exchange_crash", str(folder / "home"), str(folder / "place")]
    ran = subprocess.run(driver, env=ENVIRONMENT, input=sign(github()), capture_output=True, timeout=300, cwd=ROOT)
    assert (ran.returncode, ran.stderr) == (0, b"")
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_all_or_nothing(rows: list[dict[str, Any]]) -> None:
    assert (rows[-1]["signal"], rows[-1]["first"]) == (0, True)
    died = Counter(row["kind"] for row in rows if row["signal"] == 9)
    assert died["sqlite"] >= 10
    assert died["disk"] >= 2
    size = min(row["left"]["size"] for row in rows)
    for row in rows:
        left = row["left"]
        assert left["verdict"] == row["after"]["verdict"] == "VERIFIED_UNANCHORED", row
        assert (left["rows"], left["size"]) in (([0, 0, 0, 0], size), ([1, 1, 1, 1], size + 3)), row
        assert row["again"] == (left["rows"] == [0, 0, 0, 0]), "what was not done can be done, what was is spent"
        assert row["after"]["rows"] == [1, 1, 1, 1]
    assert {row["left"]["size"] for row in rows} == {size, size + 3}
