"""What tests share besides fixtures: a clock that stands still, and how a run of the program ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
NOON_US = 1_780_315_200_000_000  # 2026-06-01T12:00:00Z
SETTINGS = (
    "NHICTL_HOME",
    "NHICTL_STORE",
    "NHICTL_OUTPUT",
    "XDG_DATA_HOME",
    "NO_COLOR",
    "NHICTL_PASSPHRASE_FILE",
    "NHICTL_PASSPHRASE_FD",
)


class Clock:
    """Stands still until it is set: microseconds since the epoch."""

    def __init__(self, now_us: int = NOON_US) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        return self.now_us

    def advance(self, seconds: float) -> None:
        self.now_us += round(seconds * 1_000_000)


class Ran(NamedTuple):
    """How a process ended and what it said."""

    rc: int
    out: str
    err: str


Program = Callable[..., Ran]
