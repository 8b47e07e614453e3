"""Fixtures of the custody tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from nhictl.store import passphrase
from tests.custody.keepers import CHEAP, Watcher


@pytest.fixture(autouse=True)
def _cheap_and_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """New passphrases cost an eighth; no passphrase of whoever runs the tests gets in."""
    monkeypatch.setattr(passphrase, "COST", CHEAP)
    for name in ("NHICTL_PASSPHRASE_FILE", "NHICTL_PASSPHRASE_FD", "PYTHON_KEYRING_BACKEND"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the home is to be."""
    return tmp_path / "home"


@pytest.fixture
def watcher(tmp_path: Path, home: Path) -> Watcher:
    """The helper program."""
    return Watcher(tmp_path, home)
