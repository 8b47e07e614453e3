"""The stolen disk: a copy of the home alone signs nothing, unless the key lies in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nhictl.ops import key_custody
from nhictl.ops.key_custody import Wanted
from nhictl.store.passphrase import Source
from tests.custody.keepers import PASSPHRASE, Watcher, house_with, opened, secret_file
from tests.custody.test_change import worked_in
from tests.harness import ROOT


class Stolen:
    """A copy of a home, in the hands of somebody with nothing else."""

    def __init__(self, home: Path, task: str, place: Path) -> None:
        self.place = place / "stolen"
        self.task = task
        shutil.copytree(home, self.place)

    def issue(self, *more: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """`token issue` in the copy, without a terminal."""
        command = [sys.executable, "-m", "nhictl", "token", "issue", "--task", self.task, "--audience", "https://a.b"]
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "NHICTL_HOME": str(self.place)} | (
            environment or {}
        )
        return subprocess.run(
            [*command, *more], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, check=False,
            start_new_session=True,
        )  # fmt: skip

    def tried(self) -> dict[str, Any]:
        """What a program that knows nothing of ours opens in the copy."""
        thief = [sys.executable, "-I", str(Path(__file__).with_name("thief.py")), str(self.place)]
        found: dict[str, Any] = json.loads(subprocess.run(thief, capture_output=True, check=True).stdout)
        return found


def stolen(home: Path, tmp_path: Path, kind: str, watcher: Watcher) -> Stolen:
    house = house_with(home, kind, command=watcher.command if kind == "helper" else None)
    task = worked_in(house)
    house.close()
    return Stolen(home, task, tmp_path)


def test_with_the_key_in_a_file_the_copy_signs(home: Path, tmp_path: Path, watcher: Watcher) -> None:
    """The control: what is tried below does open what can be opened."""
    copy = stolen(home, tmp_path, "file", watcher)
    assert copy.issue().returncode == 0
    found = copy.tried()
    assert (len(found["opened"]), found["boxes"]) == (4, 4)


@pytest.mark.parametrize("kind", ["passphrase", "helper"])
def test_without_it_the_copy_signs_nothing(home: Path, tmp_path: Path, watcher: Watcher, kind: str) -> None:
    copy = stolen(home, tmp_path, kind, watcher)
    shutil.rmtree(watcher.folder)
    done = copy.issue()
    assert (done.returncode, done.stdout) == (7, "")
    found = copy.tried()
    assert (found["opened"], found["boxes"]) == ([], 5)
    assert found["tried"] > 5_000


def test_guesses(home: Path, tmp_path: Path, watcher: Watcher) -> None:
    copy = stolen(home, tmp_path, "passphrase", watcher)
    for guess, status in ((b"password password", 6), (b"x", 6), (PASSPHRASE, 0)):
        path = secret_file(tmp_path / "guess", guess)
        done = copy.issue("--passphrase-file", str(path))
        assert (done.returncode, bool(done.stdout)) == (status, status == 0), done.stderr
        assert guess.decode() not in done.stderr.replace("--passphrase-file", "") or len(guess) == 1
        assert "Traceback" not in done.stderr


def test_another_helper_in_its_place(home: Path, tmp_path: Path, watcher: Watcher) -> None:
    """A thief who puts a program of the same name there still has no secret."""
    copy = stolen(home, tmp_path, "helper", watcher)
    watcher.program.write_text("#!/bin/sh\necho " + "A" * 43 + "\n")
    done = copy.issue()
    assert (done.returncode, done.stdout) == (6, "")
    assert "what the helper gave does not open" in done.stderr


def test_the_key_that_lay_open_once_opens_nothing_later(home: Path, tmp_path: Path, watcher: Watcher) -> None:
    """An old copy of the file, dug out of a backup, and the disk of today."""
    house = house_with(home, "file")
    task = worked_in(house)
    old = (home / "kek").read_bytes()
    key_custody.change(house, Wanted("passphrase", None, Source(line=PASSPHRASE)))
    house.close()
    copy = Stolen(home, task, tmp_path)
    secret_file(copy.place / "kek.old", old)
    assert copy.tried()["opened"] == []
    secret_file(copy.place / "kek", old)
    done = copy.issue()
    assert (done.returncode, done.stdout) == (6, "")
    assert opened(home).unlocked()
