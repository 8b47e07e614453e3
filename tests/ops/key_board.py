"""What the processes of the rotation test share: a clock that the test sets, and counters. Imports nothing of the program's."""

from __future__ import annotations

import mmap
import os
import time
from pathlib import Path
from typing import Final

ISSUERS: Final = 3
CLOCK, STOP, UNKNOWN, FETCHES = 0, 1, 2, 3
"""The time in µs; whether to end; how often a consumer met a key it did not have; how often one fetched."""
ISSUED: Final = 4
CHECKED: Final = ISSUED + ISSUERS
SIZE: Final = CHECKED + ISSUERS
PATIENCE_S: Final = 60


def board(path: Path) -> memoryview:
    """The numbers in the file, 64 bits each, shared by all who map it."""
    with path.open("r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), SIZE * 8)).cast("q")


def new_board(path: Path) -> memoryview:
    """A board of zeros."""
    path.write_bytes(bytes(SIZE * 8))
    return board(path)


def alone() -> bool:
    """Whether the process that started this one is gone."""
    return os.getppid() == 1


def nap() -> None:
    """Let others run."""
    time.sleep(0.0005)
