"""The OS keyring, with the real library and a backend that keeps its secrets in a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nhictl.errors import NhictlError, UnavailableError
from nhictl.store import custody, helper
from tests.custody.keepers import house_with, opened
from tests.custody.test_change import AUDIENCE, worked_in
from tests.custody.test_stolen_home import Stolen
from tests.harness import ROOT

pytest.importorskip("keyring", reason="the extra nhictl[keyring] is not installed")

BACKENDS = """
import fcntl, json, os, time
from keyring.backend import KeyringBackend

class Ring(KeyringBackend):
    priority = 1
    def _all(self, change=None):
        with open(os.environ["RING"], "a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            found = json.loads(file.read() or "{}")
            if change:
                change(found)
                file.truncate(0)
                file.write(json.dumps(found))
            return found
    def get_password(self, service, name):
        return self._all().get(service + "/" + name)
    def set_password(self, service, name, secret):
        self._all(lambda found: found.update({service + "/" + name: secret}))
    def delete_password(self, service, name):
        self._all(lambda found: found.pop(service + "/" + name))

class Dialog(Ring):
    def get_password(self, service, name):
        time.sleep(60)

class Chatty(Ring):
    def set_password(self, service, name, secret):
        raise RuntimeError("cannot keep " + secret + "\\nfor " + service)
"""


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file behind the keyring that everybody uses."""
    (tmp_path / "backends").mkdir()
    (tmp_path / "backends" / "ring_of_tests.py").write_text(BACKENDS)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'backends'}{os.pathsep}{ROOT}")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "ring_of_tests.Ring")
    monkeypatch.setenv("RING", str(tmp_path / "ring"))
    return tmp_path / "ring"


def test_it_keeps_the_secret(home: Path, ring: Path, tmp_path: Path) -> None:
    house = house_with(home, "keyring")
    ((name, secret),) = json.loads(ring.read_text()).items()
    found = custody.described(home / "kek", (home / "kek").read_bytes())
    assert name == f"nhictl/{found.id}"
    assert opened(home, None).unlocked() == house.unlocked()
    task = worked_in(house)
    copy = Stolen(home, task, tmp_path)
    thiefs = {name: os.environ[name] for name in ("PYTHONPATH", "PYTHON_KEYRING_BACKEND")} | {
        "RING": str(tmp_path / "empty")
    }
    done = copy.issue(environment=thiefs)
    assert (done.returncode, done.stdout) == (7, "")
    assert "it has no secret of that id" in done.stderr
    assert copy.tried()["opened"] == []
    assert copy.issue(environment=thiefs | {"RING": str(ring)}).returncode == 0, "with the keyring it signs"
    custody.call(found, "erase")
    assert json.loads(ring.read_text()) == {}
    assert secret


@pytest.mark.parametrize(
    ("backend", "why"),
    [
        ("keyring.backends.fail.Keyring", "there is no keyring on this machine"),
        ("keyring.backends.null.Keyring", "it did not keep the secret"),
        ("ring_of_tests.Missing", "AttributeError"),
        ("ring_of_tests.Chatty", "RuntimeError: cannot keep for nhictl"),
    ],
)
def test_a_machine_without_one(home: Path, ring: Path, monkeypatch: pytest.MonkeyPatch, backend: str, why: str) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", backend)
    with pytest.raises(UnavailableError) as caught:
        house_with(home, "keyring")
    assert why in caught.value.message
    assert "passphrase or a helper" in (caught.value.hint or "")
    assert not ring.exists() or ring.read_text() in ("", "{}")
    assert not home.exists() or list(home.iterdir()) == []


def test_headless_the_real_backends_end_by_themselves(home: Path, ring: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHON_KEYRING_BACKEND", "DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(ring.parent / "nowhere"))
    with pytest.raises(NhictlError) as caught:
        house_with(home, "keyring")
    assert caught.value.exit == 7


def test_a_dialog_that_nobody_answers_is_given_up(home: Path, ring: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house_with(home, "keyring").close()
    assert ring.exists()
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "ring_of_tests.Dialog")
    monkeypatch.setattr(helper, "TIMEOUT_S", 1.0)
    with pytest.raises(UnavailableError, match="did not end within 1 s"):
        opened(home, None).unlocked()


def test_the_library_is_loaded_by_nobody_else(home: Path, ring: Path) -> None:
    house = house_with(home, "keyring")
    task = worked_in(house)
    house.close()
    command = [
        sys.executable,
        "-X",
        "importtime",
        "-m",
        "nhictl",
        "token",
        "issue",
        "--task",
        task,
        "--audience",
        AUDIENCE,
    ]
    done = subprocess.run(
        command, env=os.environ | {"NHICTL_HOME": str(home)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    ours = done.stderr.splitlines()
    assert any("nhictl.store.custody" in line for line in ours)
    assert not any(line.split("|")[-1].strip().split(".")[0] == "keyring" for line in ours)
    assert ring.exists()


def test_eight_at_once(home: Path, ring: Path) -> None:
    house = house_with(home, "keyring")
    task = worked_in(house)
    house.close()
    command = [sys.executable, "-m", "nhictl", "token", "issue", "--task", task, "--audience", AUDIENCE]
    env = os.environ | {"NHICTL_HOME": str(home)}
    running = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE) for _ in range(8)]
    tokens = {process.communicate(timeout=60)[0] for process in running}
    assert [process.returncode for process in running] == [0] * 8
    assert len(tokens) == 8
    assert ring.exists()
