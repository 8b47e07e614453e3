"""Each fault is found by the check that is for it, on however broken a home; nothing is changed by looking."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nhictl.ops import separation
from nhictl.ops.doctor import authority, host, report
from nhictl.ops.doctor.report import Check, examine
from nhictl.ops.house import DATABASE, House
from nhictl.store import files as store_files
from nhictl.store import schema
from tests.harness import Program
from tests.ops.high_water_home import Traveller, traveller
from tests.store.schema_home import old_home

NAMES = (
    "home", "files", "foreign", "filesystem", "disk", "database", "log", "high-water", "erasure", "state", "custody",
    "clock", "time-service", "versions", "sqlite", "agents", "separation",
)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Traveller]:
    with traveller(tmp_path) as made:
        made.house.close()
        yield made


def found(home: Traveller) -> dict[str, Check]:
    """The findings by id; which ones there are is said once."""
    checks = examine(home.house)
    assert len({check.id for check in checks}) == len(checks)
    return {check.id: check for check in checks}


def state(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and not p.name.endswith(("-shm", "-wal"))}


def test_a_home_in_order(home: Traveller) -> None:
    before = state(home.home)
    checks = found(home)
    assert tuple(checks) == NAMES
    surroundings = {"home", "disk", "time-service", "sqlite", "separation", "filesystem"}
    assert {n: c.message for n, c in checks.items() if c.status != "ok" and n not in surroundings} == {}
    assert "bad" not in {check.status for check in checks.values()}
    assert state(home.home) == before


def _sql(statement: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        with contextlib.closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as db:
            db.execute(statement)

    return edit


def _linked(folder: Path) -> None:
    (folder / "kek").rename(folder / "elsewhere")
    (folder / "kek").symlink_to("elsewhere")


def _damaged(folder: Path) -> None:
    data = (folder / DATABASE).read_bytes()
    (folder / DATABASE).write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))


def _unsigned_mark(folder: Path) -> None:
    """A mark that says what the database says, word for word, but for who signed it: both were edited."""
    with contextlib.closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as db:
        (note,) = db.execute("SELECT note FROM checkpoint ORDER BY size DESC").fetchone()
        forged = note[:-12] + "AAAAAAAAA==\n"
        db.execute("UPDATE checkpoint SET note = ? WHERE note = ?", (forged, note))
    (folder / "high-water").write_bytes(forged.encode().ljust(512, b"\n"))


FAULTS: dict[str, tuple[Callable[[Path], object], str, str, str]] = {
    "loose home": (lambda p: p.chmod(0o755), "home", "bad", "0755"),
    "loose key": (lambda p: (p / "kek").chmod(0o640), "file:kek", "bad", "0640"),
    "linked key": (_linked, "file:kek", "bad", "not a regular file"),
    "no key": (lambda p: (p / "kek").unlink(), "custody", "bad", "is missing"),
    "another key": (lambda p: (p / "kek").write_text("ab" * 32), "custody", "bad", "does not open"),
    "a second name": (lambda p: (p / "x").hardlink_to(p / DATABASE), f"file:{DATABASE}", "bad", "2 names"),
    "loose mark": (lambda p: (p / "high-water").chmod(0o644), "file:high-water", "bad", "0644"),
    "loose copy": (lambda p: (p / "before-schema-9.db").touch(0o644), "file:before-schema-9.db", "bad", "mode"),
    "a strange file": (lambda p: (p / "notes.txt").write_text("x"), "foreign", "warn", "`notes.txt`"),
    "a leftover": (lambda p: (p / ".restore-abc").mkdir(), "leftovers", "warn", "`.restore-abc`"),
    "no database": (lambda p: (p / DATABASE).unlink(), f"file:{DATABASE}", "bad", "missing"),
    "not a database": (lambda p: (p / DATABASE).write_text("xx" * 500), "database", "bad", "damaged"),
    "a damaged one": (_damaged, "database", "bad", "damaged"),
    "not in WAL mode": (_sql("PRAGMA journal_mode=DELETE"), "database", "bad", "journal mode delete"),
    "a trigger": (
        _sql("CREATE TRIGGER later AFTER INSERT ON log BEGIN DELETE FROM cutoff; END"), "database", "bad", "later",
    ),
    "a newer schema": (_sql(f"PRAGMA user_version={schema.VERSION + 1}"), "database", "bad", "knows"),
    "an older schema": (_sql(f"PRAGMA user_version={schema.VERSION - 1}"), "database", "warn", "schema"),
    "a lost record": (_sql("DELETE FROM log WHERE seq = (SELECT max(seq) FROM log)"), "log", "bad", "newest record"),
    "one too many": (_sql("INSERT INTO log SELECT seq + 1, ts, task, line FROM log ORDER BY seq DESC LIMIT 1"), "log", "bad",
                     "newest record"),
    "a lost checkpoint": (_sql("DELETE FROM checkpoint WHERE size = (SELECT max(size) FROM checkpoint)"), "log", "bad",
                          "not of the newest"),
    "a damaged head": (_sql("UPDATE head SET subtrees = x'00'"), "log", "bad", "damaged"),
    "no head": (_sql("DELETE FROM head"), "log", "bad", "empty"),
    "nobody's signature": (_unsigned_mark, "high-water", "bad", "not signed"),
    "no mark": (lambda p: (p / "high-water").unlink(), "high-water", "bad", "is missing"),
    "garbage for a mark": (lambda p: (p / "high-water").write_text("x"), "high-water", "bad", "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault(home: Traveller, name: str) -> None:
    spoil, check, status, word = FAULTS[name]
    spoil(home.home)
    before = state(home.home)
    said = found(home)
    assert said[check].status == status, said
    assert word in said[check].message
    assert said[check].hint or check in ("custody", "database", "log")
    assert {c.id for c in said.values()} >= {"versions", "sqlite", "separation", "time-service"}
    assert state(home.home) == before
    os.chmod(home.home, 0o700)


def test_put_back(home: Traveller) -> None:
    home.save()
    home.issue()
    home.put_back()
    said = found(home)["high-water"]
    assert (said.status, "--accept-restore" in str(said.hint)) == ("bad", True)


def test_a_mark_that_lags(home: Traveller) -> None:
    old = (home.home / "high-water").read_bytes()
    for count, status in ((1, "ok"), (12, "warn")):
        for _ in range(count):
            home.issue()
        (home.home / "high-water").write_bytes(old)
        assert found(home)["high-water"].status == status


@pytest.mark.parametrize(("seconds", "status"), [(0, "ok"), (-1, "warn"), (-31, "bad"), (86400, "ok")])
def test_clock(home: Traveller, seconds: int, status: str) -> None:
    home.agents.now += seconds * 1_000_000
    assert found(home)["clock"].status == status


def test_expired_agents(home: Traveller) -> None:
    home.agents.add("old", expires_s=60)
    assert found(home)["agents"].message == "2 active; active without a key of their own: 2"
    home.agents.now += 61_000_000
    said = found(home)["agents"]
    assert (said.status, said.message) == ("warn", "1 expired: old")


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ((3, 6, 23), False), ((3, 7, 0), True), ((3, 40, 1), True), ((3, 44, 5), True), ((3, 44, 6), False),
        ((3, 45, 0), True), ((3, 50, 6), True), ((3, 50, 7), False), ((3, 51, 0), True), ((3, 51, 2), True),
        ((3, 51, 3), False), ((3, 53, 0), False),
    ],
)  # fmt: skip
def test_the_wal_reset_bug(version: tuple[int, int, int], affected: bool) -> None:
    assert host.wal_reset_bug(version) is affected


class Disk:
    f_frsize = 4096
    f_files, f_favail, f_flag = 1000, 900, 0

    def __init__(self, free_mib: int, **more: int) -> None:
        self.f_bavail = free_mib * 256
        for name, value in more.items():
            setattr(self, name, value)


@pytest.mark.parametrize(
    ("disk", "status"),
    [
        (Disk(5000), "ok"),
        (Disk(100), "warn"),
        (Disk(5), "bad"),
        (Disk(5000, f_favail=3), "bad"),
        (Disk(5000, f_files=0, f_favail=0), "ok"),  # btrfs counts no files
        (Disk(5000, f_flag=os.ST_RDONLY), "bad"),
    ],
)
def test_disk(home: Traveller, monkeypatch: pytest.MonkeyPatch, disk: Disk, status: str) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    assert found(home)["disk"].status == status


def test_a_network_file_system(home: Traveller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_files, "network_filesystem", lambda _: "nfs4")
    assert found(home)["filesystem"].status == "bad"


def test_the_caller_and_those_before(home: Traveller, monkeypatch: pytest.MonkeyPatch) -> None:
    apart = separation.Separation("user", 2000, "the caller runs as uid 2000")
    monkeypatch.setattr(authority, "of_caller", lambda: apart)
    assert found(home)["separation"].status == "ok"
    home.house.caller = lambda: "user"
    home.use()
    assert found(home)["separation"].message.endswith("the newest 1 live checks: 1 user, 0 none")
    home.house.caller = lambda: "none"
    home.use()
    said = found(home)["separation"]
    assert (said.status, said.message.endswith("1 user, 1 none")) == ("warn", True)


def test_a_check_that_falls_ill_does_not_stop_the_others(home: Traveller, monkeypatch: pytest.MonkeyPatch) -> None:
    def ill(_: object) -> Iterator[Check]:
        raise ZeroDivisionError("secret")
        yield

    monkeypatch.setattr(host, "clock", ill)
    said = found(home)
    assert said["clock"] == Check("clock", "unknown", "the check itself failed: ZeroDivisionError", "report it")
    assert tuple(said) == NAMES


def test_an_older_home_is_not_migrated_by_looking(tmp_path: Path) -> None:
    place = old_home(tmp_path / "old")
    checks = {check.id: check for check in examine(House(place, place / DATABASE))}
    assert (checks["database"].status, checks["log"].status) == ("warn", "unknown")
    assert not list(place.glob("before-*"))


def test_no_home_at_all(tmp_path: Path) -> None:
    checks = {check.id: check for check in examine(House(tmp_path / "no", tmp_path / "no" / DATABASE))}
    assert (checks["home"].status, checks["versions"].status) == ("bad", "ok")
    assert not (tmp_path / "no").exists()


def test_as_it_is_typed(home: Traveller, nhictl: Program) -> None:
    ran = nhictl("doctor", "-o", "json")
    body = json.loads(ran.out)
    assert (ran.rc, ran.err, body["schema"]) == (0, "", "nhictl.doctor/v1")
    assert body["status"] in ("ok", "warn")
    assert set(body["checks"][0]) == {"id", "status", "message", "hint"}
    (home.home / "kek").chmod(0o644)
    ran = nhictl("doctor")
    assert (ran.rc, ran.err) == (1, "")
    assert f"file:kek: chmod 0600 {home.home / 'kek'}" in ran.out
    assert nhictl("doctor", "-o", "json", home=home.home.parent / "nowhere").rc == 1
    (home.home / DATABASE).write_bytes(b"")
    ran = nhictl("doctor", "-o", "json")
    assert (ran.rc, ran.err, json.loads(ran.out)["status"]) == (1, "", "bad")


def test_statuses_are_few() -> None:
    assert report.Status.__args__ == ("ok", "warn", "bad", "unknown")  # type: ignore[attr-defined]
