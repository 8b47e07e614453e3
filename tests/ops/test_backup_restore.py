"""Backups are whole while others write, never overwrite, and come back only in the open."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nhictl.errors import ConflictError, InputError, NhictlError, UnsafeError
from nhictl.ops.accept_restore import accept
from nhictl.ops.audit_log import parse_anchor, verify_home
from nhictl.ops.backup_home import Backup, backup
from nhictl.ops.high_water import FILE, KEPT
from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from nhictl.ops.restore_home import Restored, restore
from nhictl.store import copies
from nhictl.store.keys import KEK_FILE
from nhictl.store.schema import VERSION
from tests.harness import ROOT, Program
from tests.ops.high_water_home import Traveller, records, traveller
from tests.store.schema_home import old_home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Traveller]:
    with traveller(tmp_path) as made:
        yield made


@pytest.fixture
def saved(home: Traveller, tmp_path: Path) -> Backup:
    """A backup with its keys, made before one more token."""
    made = backup(home.house, str(tmp_path / "kept.db"), with_keys=True)
    home.later = home.issue()
    return made


def back(home: Traveller, source: Path, *, replace: bool = True, keys: Path | None = None) -> Restored:
    return restore(home.house, str(source), keys_file=str(keys) if keys else None, replace=replace)


def empty(home: Traveller, folder: Path) -> House:
    """A home where nothing is yet."""
    return House(folder, folder / DATABASE, clock=lambda: home.agents.now)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file, but for the lock and SQLite's own."""
    skip = ("lock", "-shm", "-wal")
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and not p.name.endswith(skip)}


def test_a_backup_is_one_private_file_that_verifies(home: Traveller, tmp_path: Path) -> None:
    made = backup(home.house, str(tmp_path / "b.db"), with_keys=False)
    assert (made.integrity.verdict, made.head.size, made.keys) == ("VERIFIED_UNANCHORED", home.size(), None)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.db", "home"]
    kek = (home.home / KEK_FILE).read_bytes().strip()
    assert kek not in made.path.read_bytes()
    assert bytes.fromhex(kek.decode()) not in made.path.read_bytes()


def test_a_folder_gets_a_name_of_chain_and_size(home: Traveller, tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    made = backup(home.house, str(tmp_path / "to"), with_keys=True)
    assert made.path.name == f"nhictl-{made.head.chain[:8]}-{home.size()}.db"
    assert made.keys == made.path.with_name(made.path.name + ".kek")
    assert stat.S_IMODE(made.keys.stat().st_mode) == 0o600
    with pytest.raises(ConflictError):
        backup(home.house, str(tmp_path / "to"), with_keys=False)


def test_nothing_is_overwritten(home: Traveller, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "y.kek").write_text("mine too")
    for name, keys in (("x", False), ("link", False), ("y", True)):
        with pytest.raises(ConflictError) as caught:
            backup(home.house, str(tmp_path / name), with_keys=keys)
        assert (caught.value.code, caught.value.exit) == ("exists", 5)
    assert (tmp_path / "x").read_text() == "mine"
    assert (tmp_path / "y.kek").read_text() == "mine too"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["home", "link", "x", "y.kek"]


def test_not_in_the_home_itself(home: Traveller) -> None:
    for place in (home.home, home.home / "b.db"):
        with pytest.raises(InputError, match="in the home"):
            backup(home.house, str(place), with_keys=False)


def test_an_altered_log_is_copied_as_evidence(home: Traveller, tmp_path: Path) -> None:
    home.house.db.execute("UPDATE log SET line = replace(line, 'bot', 'bat') WHERE seq = 3")
    made = backup(home.house, str(tmp_path / "b.db"), with_keys=False)
    assert (made.integrity.exit, made.path.exists()) == (1, True)


def test_while_four_write(home: Traveller, tmp_path: Path) -> None:
    """Each backup is one moment of the log, and verifies by itself."""
    over = threading.Event()

    def write(number: int) -> int:
        own = House(home.home, home.home / DATABASE, clock=lambda: home.agents.now)
        count = 0
        from nhictl.ops.register_agent import Registration, register

        while not over.is_set():
            register(own, Registration(f"w{number}-{count}", "o@example.org", "p"))
            count += 1
        own.close()
        return count

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, n) for n in range(4)]
        made = []
        try:
            for number in range(4):
                own = House(home.home, home.home / DATABASE, clock=lambda: home.agents.now)
                made.append(backup(own, str(tmp_path / f"{number}.db"), with_keys=False))
                own.close()
        finally:
            over.set()
        written = sum(writer.result() for writer in writers)
    assert written > 4
    assert [one.integrity.verdict for one in made] == ["VERIFIED_UNANCHORED"] * 4
    assert len({one.head.size for one in made}) > 1
    note = verify_home(home.house, [parse_anchor(json.dumps(one.to_json()).encode(), "b") for one in made])
    assert note.verdict == "VERIFIED", "each is a beginning of what there is now"
    assert home.mark().size == home.size()


def test_restored_over_a_newer_one(home: Traveller, saved: Backup) -> None:
    reader = House(home.home, home.home / DATABASE, clock=lambda: home.agents.now)
    assert len(records(reader)) == saved.head.size + 1
    with pytest.raises(ConflictError) as caught:
        back(home, saved.path, replace=False)
    assert (caught.value.code, "--replace" in str(caught.value.hint)) == ("already_initialised", True)
    done = back(home, saved.path)
    assert done.kept == home.home / "before-restore-1.db"
    assert "was put back" in str(done.refused)
    assert len(records(reader)) == saved.head.size, "whoever has it open sees it at once"
    with pytest.raises(UnsafeError):
        home.issue()
    accept(home.house)
    assert home.reason() == "token_revoked"
    assert home.reason(home.later) == "token_unknown"
    assert home.reason(home.issue()) == "valid"
    assert verify_home(reader, ()).exit == 0
    reader.close()
    kept = House(home.home, done.kept, clock=lambda: home.agents.now)
    kept.keeps_mark = False
    assert (len(records(kept)), verify_home(kept, ()).exit) == (saved.head.size + 1, 0)
    kept.close()


def test_restored_when_nothing_was_lost(home: Traveller, tmp_path: Path) -> None:
    made = backup(home.house, str(tmp_path / "b.db"), with_keys=False)
    done = back(home, made.path)
    assert done.refused is None
    assert home.reason() == "valid"


def test_restored_into_an_empty_home(home: Traveller, saved: Backup, tmp_path: Path) -> None:
    fresh = empty(home, tmp_path / "new" / "home")
    done = restore(fresh, str(saved.path), keys_file=None, replace=False)
    assert (done.kept, done.head.size) == (None, saved.head.size)
    assert f"`{FILE}` is missing" in str(done.refused)
    assert {p.name: stat.S_IMODE(p.stat().st_mode) for p in fresh.home.iterdir() if p.name != "lock"} == {
        KEK_FILE: 0o600,
        DATABASE: 0o600,
    }
    assert fresh.db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    accept(fresh)
    from nhictl.ops.issue_token import issue_token

    issue_token(fresh, home.task, "https://a")
    fresh.close()


def test_a_backup_of_before_there_were_marks_is_not_trusted_either(home: Traveller, tmp_path: Path) -> None:
    """A restored home that never had a mark does not pass for a home that has had none yet."""
    home.house.db.execute("DELETE FROM meta WHERE key = ?", (KEPT,))
    made = backup(home.house, str(tmp_path / "b.db"), with_keys=True)
    fresh = empty(home, tmp_path / "new")
    assert restore(fresh, str(made.path), keys_file=None, replace=False).refused is not None


def test_an_older_schema_is_migrated_on_the_way(tmp_path: Path) -> None:
    old = old_home(tmp_path / "old")
    house = House(tmp_path / "new", tmp_path / "new" / DATABASE)
    done = restore(house, str(old / DATABASE), keys_file=str(old / KEK_FILE), replace=False)
    assert done.head.size == 3
    accept(house)
    assert verify_home(house, ()).exit == 0
    house.close()


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _newer(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version={VERSION + 1}")
    db.close()


def _edited(statement: str) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        db = sqlite3.connect(path, isolation_level=None)
        db.execute(statement)
        db.close()

    return edit


BAD: dict[str, tuple[Callable[[Path], object], str, int]] = {
    "not a database": (lambda p: p.write_bytes(b"x" * 5000), "backup_malformed", 2),
    "empty": (lambda p: p.write_bytes(b""), "backup_malformed", 2),
    "cut short": (lambda p: p.write_bytes(p.read_bytes()[:30_000]), "backup_malformed", 2),
    "overwritten": (lambda p: p.write_bytes(p.read_bytes()[:4096] + b"\xff" * 60_000), "backup_malformed", 2),
    "missing": (lambda p: p.unlink(), "unreadable", 2),
    "a folder": (_a_folder, "unreadable", 2),
    "a newer schema": (_newer, "schema_newer", 6),
    "no schema": (_edited("PRAGMA user_version=0"), "home_incomplete", 6),
    "an edited record": (
        _edited("UPDATE log SET line = replace(line, 'bot', 'bat') WHERE seq = 3"),
        "backup_tampered",
        6,
    ),
    "a cut tail": (_edited("DELETE FROM log WHERE seq > 3"), "backup_tampered", 6),
    "a trigger": (_edited("CREATE TRIGGER t AFTER INSERT ON log BEGIN DELETE FROM cutoff; END"), "unsafe", 6),
    "a view": (_edited("CREATE VIEW v AS SELECT 1"), "unsafe", 6),
    "keys that do not open": (_edited("UPDATE signing_key SET sealed = zeroblob(60)"), "seal_broken", 6),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("into", ["the home", "an empty one"])
def test_what_cannot_be_restored_changes_nothing(
    home: Traveller, saved: Backup, tmp_path: Path, name: str, into: str
) -> None:
    spoil, code, status = BAD[name]
    spoil(saved.path)
    home.house.close()
    house = home.house if into == "the home" else empty(home, tmp_path / "new")
    before = contents(home.home)
    with pytest.raises(NhictlError) as caught:
        restore(house, str(saved.path), keys_file=None, replace=into == "the home")
    assert (caught.value.code, caught.value.exit) == (code, status), caught.value.message
    assert contents(home.home) == before
    if into != "the home":
        assert [p.name for p in house.home.iterdir()] == ["lock"]


def test_another_authoritys_backup(home: Traveller, tmp_path: Path) -> None:
    """Under the same key even: a fork of keys does not make it this log."""
    other = House(tmp_path / "other", tmp_path / "other" / DATABASE)
    initialise(other, "example.org", None)
    made = backup(other, str(tmp_path / "b.db"), with_keys=True)
    other.close()
    home.house.close()
    before = contents(home.home)
    with pytest.raises(UnsafeError) as caught:
        back(home, made.path, keys=made.keys)
    assert caught.value.code == "seal_broken"
    shutil.copy(tmp_path / "other" / KEK_FILE, home.home / KEK_FILE)
    home.reopen()
    with pytest.raises(ConflictError) as conflict:
        back(home, made.path)
    assert conflict.value.code == "chain_foreign"
    home.house.close()
    assert contents(home.home) | {KEK_FILE: b""} == before | {KEK_FILE: b""}


def test_an_empty_home_needs_the_key(home: Traveller, saved: Backup, tmp_path: Path) -> None:
    assert saved.keys is not None
    saved.keys.rename(tmp_path / "elsewhere")
    fresh = empty(home, tmp_path / "new")
    with pytest.raises(InputError) as caught:
        restore(fresh, str(saved.path), keys_file=None, replace=False)
    assert caught.value.code == "key_missing"
    (tmp_path / "wrong").write_text("ab" * 32)
    with pytest.raises(UnsafeError) as unsafe:
        restore(fresh, str(saved.path), keys_file=str(tmp_path / "wrong"), replace=False)
    assert unsafe.value.code == "seal_broken"
    restore(fresh, str(saved.path), keys_file=str(tmp_path / "elsewhere"), replace=False)
    fresh.close()


@pytest.mark.parametrize("spoil", [lambda p: p.write_bytes(b"x" * 9000), lambda p: p.unlink()])
def test_over_a_database_that_is_lost(home: Traveller, saved: Backup, spoil: Callable[[Path], object]) -> None:
    home.house.close()
    for side in ("-wal", "-shm"):
        (home.home / (DATABASE + side)).unlink(missing_ok=True)
    spoil(home.home / DATABASE)
    there = (home.home / DATABASE).exists()
    home.reopen()
    done = back(home, saved.path, replace=there)
    assert (done.kept is not None, "was put back" in str(done.refused)) == (there, True)
    if done.kept is not None:
        assert done.kept.read_bytes() == b"x" * 9000
    home.reopen()
    accept(home.house)
    assert home.reason(home.issue()) == "valid"


def test_only_one_at_a_time(home: Traveller, saved: Backup) -> None:
    from nhictl.ops.house import LOCK
    from nhictl.store.lock import WriteLock

    lock = WriteLock(home.home / LOCK)
    lock.acquire(1)
    home.house.lock_timeout = 0.05
    try:
        with pytest.raises(ConflictError) as caught:
            back(home, saved.path)
        assert caught.value.code == "lock_timeout"
    finally:
        lock.release()


KILLED = """
import os, signal, sys
from pathlib import Path
from nhictl.ops.house import DATABASE, House
from nhictl.ops.restore_home import restore
home, source, at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
count = 0
def hook(event, args):
    global count
    if event in ("os.rename", "os.link", "os.remove", "sqlite3.connect", "open", "os.mkdir"):
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
house = House(home, home / DATABASE)
restore(house, source, keys_file=source + ".kek", replace=(home / DATABASE).exists())
print(count)
"""


@pytest.mark.parametrize("into", ["the home", "an empty one"])
def test_killed_on_the_way_it_can_be_done_again(home: Traveller, saved: Backup, tmp_path: Path, into: str) -> None:
    """At every tenth step: the home holds the old database or the new one, and restoring again works."""
    home.house.close()
    place = tmp_path / "place"
    env = os.environ | {"PYTHONPATH": str(ROOT)}

    def run(at: int) -> subprocess.CompletedProcess[str]:
        shutil.rmtree(place, ignore_errors=True)
        if into == "the home":
            shutil.copytree(home.home, place)
        command = [sys.executable, "-c", KILLED, str(place), str(saved.path), str(at)]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)

    whole = run(0)
    steps = int(whole.stdout)
    assert steps > 8, whole.stderr
    first = steps - 12 if steps > 12 else 1  # the steps before are the interpreter's own and the examination
    for at in range(first, steps + 1, 3):
        assert run(at).returncode == -9
        house = House(place, place / DATABASE, clock=lambda: home.agents.now)
        if into == "the home":
            assert len(records(house)) in (saved.head.size, saved.head.size + 1)
            assert verify_home(house, ()).verdict in ("VERIFIED_UNANCHORED", "TAMPERED")
        restore(house, str(saved.path), keys_file=f"{saved.path}.kek", replace=(place / DATABASE).exists())
        accept(house)
        assert verify_home(house, ()).exit == 0
        house.close()


def test_as_it_is_typed(home: Traveller, tmp_path: Path, nhictl: Program) -> None:
    home.house.close()
    assert nhictl("home", "backup", tmp_path / "b.db").rc == 0
    assert nhictl("home", "backup", tmp_path / "b.db").rc == 5
    assert nhictl("agent", "register", "late", "--owner", "o", "--purpose", "p").rc == 0
    assert nhictl("home", "restore", tmp_path / "b.db").rc == 5
    ran = nhictl("home", "restore", tmp_path / "b.db", "--replace", "-o", "json")
    assert (ran.rc, ran.err) == (0, "")
    body = json.loads(ran.out)
    assert (body["schema"], body["kept"]) == ("nhictl.restore/v1", str(home.home / "before-restore-1.db"))
    assert nhictl("agent", "register", "later", "--owner", "o", "--purpose", "p").rc == 6
    ran = nhictl("agent", "list", "-o", "json")
    assert (ran.rc, [a["name"] for a in json.loads(ran.out)["items"]]) == (0, ["bot"])
    warned = json.loads(ran.err)
    assert (warned["schema"], warned["warning"]["code"]) == ("nhictl.warning/v1", "store_rolled_back")
    ran = nhictl("task", "kill", home.task)
    assert (ran.rc, ran.err.startswith("nhictl: warning: the database was put back")) == (0, True)
    ran = nhictl("audit", "verify")
    assert (ran.rc, "nhictl: warning: " in ran.err) == (1, True)
    ran = nhictl("doctor", "--accept-restore", "-o", "json")
    assert (ran.rc, ran.err, json.loads(ran.out)["schema"]) == (0, "", "nhictl.accepted/v1")
    assert nhictl("agent", "register", "later", "--owner", "o", "--purpose", "p").rc == 0
    ran = nhictl("audit", "verify")
    assert (ran.rc, ran.err) == (0, "")
    assert nhictl("doctor", "--accept-restore").rc == 5


def test_only_ours_are_fetched_without_a_log_beside_them(tmp_path: Path) -> None:
    """A backup lies where nothing may be written: reading it leaves nothing there."""
    place = tmp_path / "there"
    place.mkdir()
    db = sqlite3.connect(place / "b.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("CREATE TABLE t (a)")
    db.close()
    copies.fetch(place / "b.db", tmp_path / "copy")
    assert [p.name for p in place.iterdir()] == ["b.db"]
