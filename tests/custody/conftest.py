"""Fixtures of the custody tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from nhictl.store import passphrase
from tests.custody.keepers import CHEAP, Watcher


@pytest.fixture(autouse=True)
def _cheap_and_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """New passphrases cost a quarter; no keyring of whoever runs the tests gets in."""
    monkeypatch.setattr(passphrase, "COST", CHEAP)
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND", raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the home is to be."""
    return tmp_path / "home"


@pytest.fixture
def watcher(tmp_path: Path, home: Path) -> Watcher:
    """The helper program."""
    return Watcher(tmp_path, home)
