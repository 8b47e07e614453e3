"""A home as the first schema left it: built by today's code on a database of `MIGRATIONS[:1]`."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from nhictl.ops.register_agent import Registration, register
from nhictl.store import schema, sqlite


def opened(home: Path) -> House:
    """The home, as a process of its own would open it."""
    return House(home, home / DATABASE)


def old_home(home: Path) -> Path:
    """Make one with an agent in it."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (schema, sqlite):
            patch.setattr(module, "MIGRATIONS", schema.MIGRATIONS[:1])
            patch.setattr(module, "VERSION", 1)
        house = opened(home)
        initialise(house, "example.org", None)
        register(house, Registration("report-bot", "ops@example.org", "reports"), None, None)
        house.close()
    assert version(home / DATABASE) == 1
    return home


def version(path: Path) -> int:
    """The schema of a database."""
    db = sqlite3.connect(path)
    try:
        return int(db.execute("PRAGMA user_version").fetchone()[0])
    finally:
        db.close()
