"""A change of custody killed at any point leaves a home that opens by its old custody or by its new one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.harness import ROOT

CHANGES = {
    "file to passphrase": ("file", "passphrase", "same", "16"),
    "passphrase to passphrase, new key": ("passphrase", "passphrase", "new", "4"),
    "passphrase to file": ("passphrase", "file", "same", "4"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_killed_at_any_point(tmp_path: Path, name: str) -> None:
    before, after, key, every = CHANGES[name]
    driver = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "tests.custody.kill_driver",
        str(tmp_path),
        before,
        after,
        key,
        every,
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(driver, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    *rows, last = map(json.loads, ran.stdout.splitlines())
    died = [row["step"] for row in rows if row["signal"] == 9]
    assert len(died) == len(rows)
    assert died.count("sqlite") >= 4
    assert died.count("disk") >= 8
    for row in rows:
        held(row, before, after)
    assert (last["kind"], last["recorded"], last["notes"], last["both"]) == (after, True, [], False)
    seen = {(row["kind"], row["recorded"], row["both"]) for row in rows}
    assert (after, False, key == "new" or before == "file") in seen, "killed between the rename and the commit"
    assert (before, True, False) in seen, "killed before"


def held(row: dict[str, Any], before: str, after: str) -> None:
    """What has to hold wherever it was killed."""
    assert row["ways"], row
    assert row["whole"], row
    assert row["verdict"] == "VERIFIED_UNANCHORED", row
    if row["kind"] != "file":
        assert len(row["ways"]) == 1, row
    assert row["kind"] in (before, after), row
    assert row["recorded"] or row["notes"], row
    assert (row["after"], row["left"], row["files"]) == (after, [], ["kek"]), row
    assert row["one"], row
