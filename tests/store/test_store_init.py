"""What `init` makes, that it never makes it over something else, and the files and tables beneath it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

from nhictl.errors import UnsafeError
from nhictl.ops.house import DATABASE
from nhictl.store import files, sqlite
from nhictl.store.keys import KEK_FILE
from nhictl.store.schema import VERSION
from tests.harness import Program
from tests.store.home_state import state


def test_what_init_leaves(home: Path) -> None:
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
    assert modes.pop("lock", 0o600) == 0o600
    assert modes.pop("ballast", 0o600) == 0o600  # not there where the disk has little room
    assert modes == {"kek": 0o600, "nhictl.db": 0o600, "high-water": 0o600}


def test_modes_do_not_depend_on_the_umask(tmp_path: Path, nhictl: Program) -> None:
    before = os.umask(0)
    try:
        assert nhictl("init", "--trust-domain", "example.org").rc == 0
        assert nhictl("agent", "register", "x", "--owner", "o", "--purpose", "p").rc == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "home").iterdir()} == {0o600}
    os.umask(0o777)
    try:
        assert nhictl("init", "--trust-domain", "example.org", home=tmp_path / "other").rc == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "other").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "other" / "nhictl.db").stat().st_mode) == 0o600


def test_no_home_at_all_is_not_unsafe(tmp_path: Path, nhictl: Program) -> None:
    ran = nhictl("audit", "verify")
    assert (ran.rc, "no authority in" in ran.err) == (7, True)
    assert not (tmp_path / "home").exists()


def test_init_again_changes_nothing(home: Path, nhictl: Program) -> None:
    before = state(home)
    assert nhictl("init", "--trust-domain", "example.org").rc == 5
    assert nhictl("init", "--trust-domain", "other.example").rc == 5
    assert state(home) == before


def test_init_over_what_is_left_of_a_home(home: Path, nhictl: Program) -> None:
    (home / DATABASE).unlink()
    before = state(home)
    assert nhictl("init", "--trust-domain", "example.org").rc == 6
    assert state(home) == before


def test_init_in_a_loose_directory(tmp_path: Path, nhictl: Program) -> None:
    (tmp_path / "home").mkdir(mode=0o755)
    (tmp_path / "home").chmod(0o755)
    assert nhictl("init", "--trust-domain", "example.org").rc == 6
    assert list((tmp_path / "home").iterdir()) == []


def test_an_older_database_put_under_another_key(home: Path, tmp_path: Path, nhictl: Program) -> None:
    assert nhictl("init", "--trust-domain", "example.org", home=tmp_path / "other").rc == 0
    shutil.copy(tmp_path / "other" / KEK_FILE, home / KEK_FILE)
    before = state(home)
    ran = nhictl("agent", "register", "x", "--owner", "o", "--purpose", "p")
    assert (ran.rc, "does not open" in ran.err) == (6, True)
    assert state(home) == before


def test_the_schema_is_migrated_once_and_a_newer_one_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    sqlite.create(path).close()
    with pytest.raises(FileExistsError):
        sqlite.create(path)
    with contextlib.closing(sqlite.open_existing(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert db.execute("PRAGMA trusted_schema").fetchone() == (0,)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version={VERSION + 1}")
    with pytest.raises(UnsafeError) as caught:
        sqlite.open_existing(path)
    assert caught.value.code == "schema_newer"


def test_files_are_never_overwritten(tmp_path: Path) -> None:
    files.write_new(tmp_path / "x", b"first")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        files.write_new(tmp_path / "x", b"second")
    (tmp_path / "link").symlink_to("target")
    with pytest.raises(OSError, match="exists"):
        files.write_new(tmp_path / "link", b"third")
    assert (tmp_path / "x").read_bytes() == b"first"
    assert not (tmp_path / "target").exists()
