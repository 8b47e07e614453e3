"""What the home runs on: the clock, who keeps it right, and the versions of what we stand on."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Iterator
from typing import Final

from nhictl.core import times
from nhictl.ops.act import CLOCK_LEEWAY_US
from nhictl.ops.doctor.report import Check, Patient
from nhictl.store import log

LIBRARIES: Final = ("cryptography", "typer", "rich", "pyyaml", "pyjwt", "tabulate")
_TIME_ERROR: Final = 5
_TIMEX_BYTES: Final = 512
"""More than `struct timex` has on any Linux."""


def clock(patient: Patient) -> Iterator[Check]:
    """Whether the clock is behind what was recorded last."""
    db = patient.open()
    head, now = log.head(db), patient.house.clock()
    behind = (head.ts if head else 0) - now
    if behind > CLOCK_LEEWAY_US:
        text = f"{behind // 1_000_000} s behind the newest record: nothing is granted or verified"
        yield Check("clock", "bad", text, "set the clock right; revoking and killing work all the same")
    elif behind > 0:
        yield Check(
            "clock", "warn", f"{behind // 1000} ms behind the newest record", "see that the time is kept in step"
        )
    else:
        newest = times.rfc3339(head.ts) if head else "never"
        yield Check("clock", "ok", f"{times.rfc3339(now)[:19]}Z; newest record {newest[:19]}Z")


def time_service(_: Patient) -> Iterator[Check]:
    """Whether the kernel says that somebody keeps its clock in step (adjtimex(2))."""
    import ctypes

    hint = "run chrony, systemd-timesyncd or the like: tokens are checked by the clock"
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        state = -1
    if state < 0:
        yield Check("time-service", "unknown", "the kernel does not say whether the clock is kept in step", hint)
    elif state == _TIME_ERROR:
        yield Check("time-service", "warn", "the kernel says that nobody keeps the clock in step", hint)
    else:
        yield Check("time-service", "ok", "the clock is kept in step")


def versions(_: Patient) -> Iterator[Check]:
    """Ours, Python's, and those of the libraries."""
    from importlib import metadata

    from nhictl import __version__

    found, missing = [f"nhictl {__version__}", f"Python {platform.python_version()}"], []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Check(
            "versions", "warn", f"not installed: {', '.join(missing)}", "install nhictl again, with what it needs"
        )
    yield Check("versions", "ok", ", ".join(found))


def wal_reset_bug(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite can, very rarely, damage a database when two processes write back its log at once.

    From 3.7.0 to 3.51.2; mended in 3.51.3, and for those who stay behind in 3.50.7 and 3.44.6 (sqlite.org/wal.html).
    """
    mended = version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51, 0) or (3, 44, 6) <= version < (3, 45, 0)
    return version >= (3, 7, 0) and not mended


def sqlite_version(_: Patient) -> Iterator[Check]:
    """SQLite's own version, against its known faults."""
    major, minor, patch = sqlite3.sqlite_version_info
    if wal_reset_bug((major, minor, patch)):
        text = f"SQLite {sqlite3.sqlite_version} has the WAL-reset bug: in very rare races it damages a database"
        hint = "take SQLite 3.51.3 or newer (or 3.50.7, 3.44.6), and keep backups: nhictl home backup"
        yield Check("sqlite", "warn", text, hint)
    else:
        yield Check("sqlite", "ok", f"SQLite {sqlite3.sqlite_version}")
