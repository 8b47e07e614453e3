"""Killed at any point of `token issue`: no half act is left, the log verifies, and whoever has a token is in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.harness import ROOT, Program

Row = dict[str, Any]
BEFORE = 5
"""Records before the act: two of `init`, an agent, a task, and one token that went well."""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """One row a point of death; the last is the act undisturbed."""
    folder = tmp_path_factory.mktemp("crash")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NHICTL_HOME": str(folder / "home")}

    def nhictl(*arguments: str) -> str:
        command = [sys.executable, "-m", "nhictl", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    nhictl("init", "--trust-domain", "example.org")
    nhictl("agent", "register", "bot", "--owner", "o", "--purpose", "p")
    task = nhictl("task", "open", "--agent", "bot", "--intent", "i", "--purpose", "p", "--allow", "a.b")
    nhictl("token", "issue", "--task", task, "--audience", "https://api.example.org")
    driver = [sys.executable, "-W", "error", str(Path(__file__).with_name("crash_driver.py"))]
    ran = subprocess.run(
        [*driver, folder / "home", folder / "place", task], env=environment, capture_output=True, text=True, timeout=300
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return [json.loads(line) for line in ran.stdout.splitlines()][1:]


def test_undisturbed(rows: list[Row]) -> None:
    last = rows[-1]
    assert (last["signal"], last["exit"], last["verdict"]) == (0, 0, "VERIFIED_UNANCHORED")
    assert (last["size"], last["rows"], last["whole"], last["kept"]) == (BEFORE + 1, 2, True, True)


def test_points_enough_and_of_every_kind(rows: list[Row]) -> None:
    died = Counter(row["kind"] for row in rows if row["signal"] == (25 if row["kind"] == "write" else 9))
    assert died["ours"] >= 100
    assert died["sqlite"] >= 20
    assert died["disk"] >= 5
    assert died["write"] >= 20
    outcomes = Counter((row["size"], row["whole"]) for row in rows)
    assert set(outcomes) >= {(BEFORE, False), (BEFORE + 1, False), (BEFORE + 1, True)}  # before, between, and after


def test_the_log_verifies_and_nothing_is_half_done(rows: list[Row]) -> None:
    for row in rows:
        assert row["verdict"] == "VERIFIED_UNANCHORED", row
        assert row["records"] == row["rows"] == row["counted"] == row["size"] - BEFORE + 1, row
        assert row["same"], row
        assert row["size"] in (BEFORE, BEFORE + 1), row


def test_a_token_that_got_out_is_in_the_log(rows: list[Row]) -> None:
    for row in rows:
        if row["printed"]:
            assert row["size"] == BEFORE + 1, row
        if row["whole"]:
            assert row["kept"], row


def test_the_next_act_succeeds(rows: list[Row]) -> None:
    for row in rows:
        assert (row["next"], row["after_size"], row["after"]) == (
            row["size"] + 1,
            row["size"] + 1,
            "VERIFIED_UNANCHORED",
        ), row


def test_the_mark_may_lag_and_never_leads(rows: list[Row]) -> None:
    """And never alarms: the next act, above, was not refused, and put it right."""
    for row in rows:
        assert BEFORE <= row["mark"] <= row["size"], row
        assert row["moved"] == row["next"], row
    assert {(row["size"], row["mark"]) for row in rows} >= {
        (BEFORE, BEFORE),
        (BEFORE + 1, BEFORE),  # between the commit and the mark
        (BEFORE + 1, BEFORE + 1),
    }


def test_a_kill_during_init_leaves_a_place_to_begin_again_or_a_clear_word(tmp_path: Path, nhictl: Program) -> None:
    """What a killed `init` leaves is its workshop: the next one does not mind it."""
    home = tmp_path / "home"
    (home / ".init-abc").mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    (home / ".init-abc" / "kek").write_bytes(b"")
    assert nhictl("init", "--trust-domain", "example.org").rc == 0
    assert nhictl("audit", "verify").rc == 0
