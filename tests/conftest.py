"""What many tests share: a fresh home with a clock that stands still, the program as a process, the reference data."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from tests.harness import ROOT, SETTINGS, Clock, Program, Ran

settings.register_profile("suite", deadline=None)  # how long something takes is for `tests/bench`
settings.load_profile("suite")


def pytest_configure() -> None:
    """Signals that whoever started the tests ignores (a shell for what it runs in the background, nohup) are not ours to
    hand on: the program honours what it inherits, and so do the programs it runs.
    """
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests gets in."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def clock() -> Clock:
    """The clock of `house`."""
    return Clock()


@pytest.fixture
def empty_house(tmp_path: Path, clock: Clock) -> Iterator[House]:
    """A home that was not initialised."""
    made = House(tmp_path / "home", tmp_path / "home" / DATABASE, clock=clock)
    yield made
    made.close()


@pytest.fixture
def house(empty_house: House) -> House:
    """A fresh authority for `example.org` with two records in its log; real randomness, the time is `clock`'s."""
    initialise(empty_house, "example.org", None)
    return empty_house


@pytest.fixture
def nhictl(tmp_path: Path) -> Program:
    """`nhictl(*arguments, stdin=…, home=…, env=…)` runs the program as a process of its own, in `tmp_path`'s home."""

    def run(
        *arguments: str | Path, stdin: str = "", home: Path | None = None, env: dict[str, str] | None = None
    ) -> Ran:
        inherited = {k: v for k, v in os.environ.items() if k not in SETTINGS}
        own = {"NHICTL_HOME": str(home or tmp_path / "home"), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
        done = subprocess.run(
            [sys.executable, "-m", "nhictl", *map(str, arguments)], input=stdin, capture_output=True, text=True,
            env=inherited | own | (env or {}), timeout=60,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def shared() -> Path:
    """The reference data beside the repository; skipped where there is none."""
    path = ROOT / ".." / "shared"
    if not path.is_dir():
        pytest.skip("the reference data is not here")
    return path
