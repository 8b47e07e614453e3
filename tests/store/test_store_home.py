"""A home that is not safe is refused with exit 6 by every way in, and nothing in it is changed."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from nhictl.ops.house import DATABASE, House
from nhictl.store import files, log
from nhictl.store.keys import KEK_FILE
from nhictl.store.schema import VERSION
from tests.harness import Program
from tests.store.home_state import state

COMMANDS = (
    ("audit", "verify"),
    ("agent", "register", "x", "--owner", "o", "--purpose", "p"),
)


def symlinked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def hard_linked(path: Path) -> None:
    path.with_name("second-name").hardlink_to(path)


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o700)


def a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def newer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version={VERSION + 1}")


def unfinished(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=0")


def damaged(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:20] + b"\xff" * (len(data) - 20))


def beside(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    def put(path: Path) -> None:
        make(path.with_name(path.name + name))

    return put


def loose_file(path: Path) -> None:
    path.touch()
    path.chmod(0o644)


Break = Callable[[Path], object]
DATABASE_FAULTS: dict[str, tuple[Break, str]] = {
    "readable by all": (lambda p: p.chmod(0o644), "has mode 0644"),
    "writable by the group": (lambda p: p.chmod(0o620), "has mode 0620"),
    "missing": (lambda p: p.unlink(), "is missing"),
    "a symbolic link": (symlinked, "is not a regular file"),
    "a symbolic link to nowhere": (to_nowhere, "is not a regular file"),
    "a second name": (hard_linked, "has 2 names"),
    "a directory": (a_directory, "is not a regular file"),
    "a pipe": (a_fifo, "is not a regular file"),
    "empty": (lambda p: p.write_bytes(b""), "is not a finished nhictl database"),
    "not a database": (lambda p: p.write_bytes(b"not a database, and long enough for a header" * 100), "is damaged"),
    "overwritten": (damaged, "is damaged"),
    "of a newer schema": (newer, f"has schema {VERSION + 1}, this nhictl knows {VERSION}"),
    "of no schema": (unfinished, "is not a finished nhictl database"),
    "beside a loose log": (beside("-wal", loose_file), "has mode 0644"),
    "beside a linked log": (beside("-wal", lambda p: p.symlink_to("nowhere")), "is not a regular file"),
    "beside a linked index": (beside("-shm", lambda p: p.symlink_to("nowhere")), "is not a regular file"),
}
KEK_FAULTS: dict[str, tuple[Break, str]] = {
    "readable by the group": (lambda p: p.chmod(0o640), "has mode 0640"),
    "missing": (lambda p: p.unlink(), "is missing"),
    "a symbolic link": (symlinked, "is not a regular file"),
    "a second name": (hard_linked, "has 2 names"),
    "a pipe": (a_fifo, "is not a regular file"),
}
KEK_CONTENTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "does not hold a key"),
    "garbage": (b"garbage", "does not hold a key"),
    "too short": (b"ab" * 31, "does not hold a key"),
    "too long": (b"ab" * 33, "does not hold a key"),
    "not ASCII": (b"\xff" * 64, "does not hold a key"),
    "another key": (b"ab" * 32, "does not open"),
}


def refused(nhictl: Program, home: Path, why: str, commands: tuple[tuple[str, ...], ...] = COMMANDS) -> None:
    before = state(home)
    for command in commands:
        ran = nhictl(*command)
        assert (ran.rc, ran.out) == (6, ""), ran
        assert why in ran.err
        assert "Traceback" not in ran.err
    assert state(home) == before


@pytest.mark.parametrize("name", DATABASE_FAULTS)
def test_database(home: Path, nhictl: Program, name: str) -> None:
    assert nhictl("audit", "verify").rc == 0
    make, why = DATABASE_FAULTS[name]
    make(home / DATABASE)
    refused(nhictl, home, why)
    assert not (home / "nowhere").exists()


@pytest.mark.parametrize("name", KEK_FAULTS)
def test_key_encryption_key(home: Path, nhictl: Program, name: str) -> None:
    make, why = KEK_FAULTS[name]
    make(home / KEK_FILE)
    refused(nhictl, home, why)


@pytest.mark.parametrize("name", KEK_CONTENTS)
def test_content_of_the_key_encryption_key(home: Path, nhictl: Program, name: str) -> None:
    content, why = KEK_CONTENTS[name]
    (home / KEK_FILE).write_bytes(content)
    refused(nhictl, home, why, COMMANDS[1:])


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o770])
def test_loose_home(home: Path, nhictl: Program, mode: int) -> None:
    home.chmod(mode)
    refused(nhictl, home, f"has mode {mode:04o}")
    home.chmod(0o700)
    assert nhictl("audit", "verify").rc == 0


def test_a_home_that_is_a_link(home: Path, nhictl: Program, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home)
    ran = nhictl("audit", "verify", home=tmp_path / "link")
    assert (ran.rc, "is not a directory" in ran.err) == (6, True)


def test_somebody_elses_home(home: Path, nhictl: Program) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(home / DATABASE, 65534, 65534)
    refused(nhictl, home, "belongs to uid 65534")


def test_damage_found_late_is_damage_all_the_same(home: Path, nhictl: Program) -> None:
    """The first page is whole, the others are not: found by the statement that reads them."""
    data = (home / DATABASE).read_bytes()
    (home / DATABASE).write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    for command in (
        ("audit", "verify"),
        ("audit", "export"),
        ("audit", "checkpoint"),
        ("agent", "list"),
        ("token", "list"),
    ):
        ran = nhictl(*command)
        assert (ran.rc, "is damaged" in ran.err) == (6, True), (command, ran)


@pytest.mark.parametrize("side", ["-wal", "-shm"])
def test_files_that_the_last_process_takes_away_meanwhile(
    house: House, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    """SQLite's own files may go between a look at the folder and a look at them: that is no damage."""
    house.close()
    beside = house.database.with_name(DATABASE + side)
    beside.touch(0o600)
    real = files.check_file

    def late(path: Path) -> None:
        if path == beside:
            beside.unlink()
        real(path)

    monkeypatch.setattr(files, "check_file", late)
    assert house.meta["trust_domain"] == "example.org"
    assert log.head(house.db) is not None
    house.close()
