"""A home that cannot be written to: exit 7, nothing was done, and it works again when there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nhictl.errors import UnavailableError
from nhictl.ops.audit_log import verify_home
from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from nhictl.ops.register_agent import Registration, register
from tests.harness import Clock, Program


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, 400 kB; skipped where none can be mounted."""
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != 0 or mount is None or unmount is None:
        pytest.skip("only root can mount a file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run([mount, "-t", "tmpfs", "-o", "size=1200k,mode=700", "small", disk], capture_output=True)
    if made.returncode:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run([unmount, "-l", disk], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """Write the disk full but for `leave` bytes; returns the file to delete."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            file.truncate(file.tell() - leave)
            return ballast


@pytest.mark.parametrize(
    ("leave", "why"), [(0, ("cannot open the database", "disk is full")), (40_960, ("disk is full",))]
)
def test_full_disk(small_disk: Path, nhictl: Program, leave: int, why: tuple[str, ...]) -> None:
    home = small_disk / "home"
    assert nhictl("init", "--trust-domain", "example.org", home=home).rc == 0
    before = nhictl("audit", "export", home=home).out
    ballast = fill(small_disk, leave)
    ran = nhictl("agent", "register", "bot", "--owner", "o", "--purpose", "p" * 400, home=home)
    assert (ran.rc, ran.out) == (7, "")
    assert any(each in ran.err for each in why)  # whether there is room to open it hangs on a page or two
    ballast.unlink()
    assert nhictl("audit", "export", home=home).out == before
    assert nhictl("agent", "show", "bot", home=home).rc == 4
    assert nhictl("agent", "register", "bot", "--owner", "o", "--purpose", "p" * 400, home=home).rc == 0
    assert nhictl("audit", "verify", home=home).rc == 0


def test_init_on_a_full_disk_leaves_nothing(small_disk: Path, nhictl: Program) -> None:
    home = small_disk / "home"
    ballast = fill(small_disk)
    ran = nhictl("init", "--trust-domain", "example.org", home=home)
    assert ran.rc == 7
    assert not home.exists() or list(home.iterdir()) == []
    ballast.unlink()
    assert nhictl("init", "--trust-domain", "example.org", home=home).rc == 0


def test_read_only_home(small_disk: Path, nhictl: Program) -> None:
    home = small_disk / "home"
    mount = shutil.which("mount") or ""
    assert nhictl("init", "--trust-domain", "example.org", home=home).rc == 0
    before = {path.name: path.read_bytes() for path in home.iterdir()}
    subprocess.run([mount, "-o", "remount,ro", small_disk], check=True)
    ran = nhictl("agent", "register", "bot", "--owner", "o", "--purpose", "p", home=home)
    assert (ran.rc, ran.out) == (7, "")
    assert "Traceback" not in ran.err
    subprocess.run([mount, "-o", "remount,rw", small_disk], check=True)
    assert {path.name: path.read_bytes() for path in home.iterdir()} == before
    assert nhictl("agent", "register", "bot", "--owner", "o", "--purpose", "p", home=home).rc == 0


def test_init_where_no_directory_can_be_made(small_disk: Path, nhictl: Program) -> None:
    mount = shutil.which("mount") or ""
    subprocess.run([mount, "-o", "remount,ro", small_disk], check=True)
    ran = nhictl("init", "--trust-domain", "example.org", home=small_disk / "home")
    assert (ran.rc, "read-only" in ran.err) == (7, True)


@pytest.mark.parametrize("room", [0, 1, 2, 5])
def test_a_database_that_may_not_grow(tmp_path: Path, room: int) -> None:
    """The same without a mount: SQLite itself says that the disk is full, at several places of the act."""
    house = House(tmp_path / "home", tmp_path / "home" / DATABASE, clock=Clock())
    initialise(house, "example.org", None)
    pages = house.db.execute("PRAGMA page_count").fetchone()[0]
    house.db.execute(f"PRAGMA max_page_count={pages + room}")
    done = 2
    failed = None
    while failed is None:
        assert done < 500
        try:
            register(house, Registration(f"bot{done}", "o@example.org", "p" * 500), None, None)
            done += 1
        except UnavailableError as e:
            failed = e
    assert (failed.exit, "full" in failed.message) == (7, True)
    assert not house.db.in_transaction
    found = verify_home(house, ())
    assert (found.verdict, found.size) == ("VERIFIED_UNANCHORED", done)
    house.db.execute("PRAGMA max_page_count=100000")
    register(house, Registration("late", "o@example.org", "p"), None, None)
    assert verify_home(house, ()).size == done + 1
    house.close()


def test_events_are_not_answered_when_they_cannot_be_written(small_disk: Path, nhictl: Program) -> None:
    home = small_disk / "home"
    assert nhictl("init", "--trust-domain", "example.org", home=home).rc == 0
    assert nhictl("agent", "register", "bot", "--owner", "o", "--purpose", "p", home=home).rc == 0
    before = nhictl("audit", "export", home=home).out
    ballast = fill(small_disk, 40_960)
    event = '{"type":"message.added","agent":"bot","content":"' + "x" * 400_000 + '"}\n'
    ran = nhictl("audit", "record", stdin=event * 2, home=home)
    assert (ran.rc, ran.out) == (7, "")
    ballast.unlink()
    assert nhictl("audit", "export", home=home).out == before
    assert nhictl("audit", "record", stdin=event[:60] + '"}\n', home=home).rc == 0
