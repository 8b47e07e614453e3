"""An older home opens: it is backed up beside, migrated by exactly one process at a time, and works."""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import stat
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest

from nhictl.errors import ConflictError, NhictlError, UnavailableError, UnsafeError
from nhictl.ops import audit_log
from nhictl.ops.act import Act, transact
from nhictl.ops.agents import find
from nhictl.ops.house import DATABASE, LOCK, House
from nhictl.ops.init import initialise
from nhictl.ops.issue_token import issue_token
from nhictl.ops.publish_trust import publish
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.store import agents, schema, sqlite, tally
from tests.store.schema_home import add_key, old_home, opened, version

BACKUP = "before-schema-2.db"
# The migrations that other people's homes have been through. A changed digest means that one of them was edited.
FROZEN = {
    1: "458dde0e2cdc83fb",
    2: "04dd5e554aa321c1",
    3: "fca83a59a5ca8cf6",
    4: "24f117ae20e47d06",
    5: "5d43cebe9a61aace",
    6: "76dc76664ca1549f",
    7: "c5df3cd5f6674897",
    8: "a812cd9175910a5b",
    9: "372a4ff12a3d3d88",
    10: "8dd255e11dd8c6d4",
    11: "820a89cf2ca3e0f4",
    12: "74447299ade31faf",
    13: "2ef58ed7346ec095",
    14: "7256652412cf10e1",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return old_home(tmp_path / "home")


def contents(path: Path) -> list[str]:
    """Everything in a database as SQL."""
    db = sqlite3.connect(path)
    try:
        return list(db.iterdump())
    finally:
        db.close()


def test_an_older_home_opens_and_works(home: Path, tmp_path: Path) -> None:
    house = opened(home)
    assert find(house, "report-bot").state == "active"
    assert version(home / DATABASE) == schema.VERSION
    register(house, Registration("other-bot", "ops@example.org", "reports"), None, None)
    assert publish(house, str(tmp_path / "pub"))[0].changed == 2
    assert audit_log.verify_home(house, []).exit == 0
    house.close()


def test_the_backup_is_the_database_as_it_was(home: Path) -> None:
    before = contents(home / DATABASE)
    opened(home).meta  # noqa: B018
    backup = home / BACKUP
    info = backup.stat()
    assert (stat.S_IMODE(info.st_mode), info.st_uid) == (0o600, os.geteuid())
    assert [p.name for p in home.iterdir() if "unfinished" in p.name] == []
    assert version(backup) == 1
    assert contents(backup) == before
    (home / DATABASE).unlink()
    backup.rename(home / DATABASE)
    restored = opened(home)
    assert find(restored, "report-bot").name == "report-bot"
    assert restored.db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    restored.close()


def test_what_an_interrupted_migration_left_is_in_nobodys_way(home: Path) -> None:
    (home / BACKUP).write_bytes(b"of an earlier attempt")
    (home / (BACKUP + ".unfinished")).write_bytes(b"half")
    opened(home).meta  # noqa: B018
    assert version(home / DATABASE) == schema.VERSION
    assert version(home / BACKUP) == 1
    assert not (home / (BACKUP + ".unfinished")).exists()


def test_a_home_of_today_is_not_backed_up(home: Path) -> None:
    opened(home).meta  # noqa: B018
    (home / BACKUP).unlink()
    opened(home).meta  # noqa: B018
    assert not (home / BACKUP).exists()


def test_it_waits_for_the_writers_lock(home: Path) -> None:
    before = contents(home / DATABASE)
    with (home / LOCK).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        house = opened(home)
        house.lock_timeout = 0.2
        with pytest.raises(ConflictError) as caught:
            house.meta  # noqa: B018
        assert caught.value.code == "lock_timeout"
        assert not (home / BACKUP).exists()
        assert contents(home / DATABASE) == before
    assert house.meta["trust_domain"] == "example.org"
    house.close()


def test_without_a_lock_nothing_is_migrated(home: Path) -> None:
    with pytest.raises(UnsafeError) as caught:
        sqlite.open_existing(home / DATABASE)
    assert caught.value.code == "schema_older"
    assert version(home / DATABASE) == 1


def test_a_migration_that_fails_changes_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(home / DATABASE)
    broken = (*schema.MIGRATIONS[:1], ("CREATE TABLE half (x)", "CREATE TABLE agent (x)"))
    monkeypatch.setattr(sqlite, "MIGRATIONS", broken)
    with pytest.raises(UnavailableError):
        opened(home).meta  # noqa: B018
    monkeypatch.undo()
    assert contents(home / DATABASE) == before
    assert version(home / DATABASE) == 1
    opened(home).meta  # noqa: B018
    assert version(home / DATABASE) == schema.VERSION


def test_without_a_backup_nothing_is_migrated(home: Path) -> None:
    (home / BACKUP).mkdir()
    with pytest.raises(NhictlError) as caught:
        opened(home).meta  # noqa: B018
    assert (caught.value.exit, "back up" in caught.value.message) == (7, True)
    assert version(home / DATABASE) == 1


def test_whoever_comes_second_finds_it_done(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version is read again under the lock: here the other process migrates between the look and the lock."""
    from nhictl.store.lock import WriteLock

    real = WriteLock.acquire

    def late(self: WriteLock, timeout: float) -> None:
        monkeypatch.setattr(WriteLock, "acquire", real)
        opened(home).meta  # noqa: B018
        (home / BACKUP).unlink()
        real(self, timeout)

    monkeypatch.setattr(WriteLock, "acquire", late)
    house = opened(home)
    assert find(house, "report-bot").state == "active"
    assert not (home / BACKUP).exists(), "it was not migrated a second time"
    house.close()


def test_whoever_comes_second_finds_a_newer_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nhictl.store.lock import WriteLock

    real = WriteLock.acquire

    def late(self: WriteLock, timeout: float) -> None:
        db = sqlite3.connect(home / DATABASE)
        db.execute("PRAGMA user_version=999")
        db.close()
        real(self, timeout)

    monkeypatch.setattr(WriteLock, "acquire", late)
    with pytest.raises(UnsafeError) as caught:
        opened(home).meta  # noqa: B018
    assert caught.value.code == "schema_newer"


def test_processes_that_open_it_at_once(home: Path) -> None:
    root = str(Path(__file__).parents[2])
    env = {"PYTHONPATH": root, "NHICTL_HOME": str(home), "PATH": os.environ["PATH"]}
    code = (
        "import sys,time\nfrom nhictl.cli.main import main\nwhile time.time() < float(sys.argv[1]): pass\n"
        "sys.exit(main(['agent','register',sys.argv[2],'--owner','o@example.org','--purpose','p']))"
    )
    start = str(time.time() + 1.5)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, start, f"bot-{n}"], env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for n in range(4)
    ]
    ended = [(process.communicate(timeout=60), process.returncode) for process in running]
    assert [code for _, code in ended] == [0] * 4, ended
    house = opened(home)
    assert all(find(house, f"bot-{n}").state == "active" for n in range(4))
    assert audit_log.verify_home(house, []).exit == 0
    assert version(home / BACKUP) == 1
    house.close()


def test_migrations_are_only_ever_added() -> None:
    found = {
        number: sha256("\n".join(re.sub(r"\s+", " ", s) for s in statements).encode()).hexdigest()[:16]
        for number, statements in enumerate(schema.MIGRATIONS, 1)
    }
    assert {number: found[number] for number in FROZEN} == FROZEN


def test_tokens_of_before_can_be_cut_off_and_counted(tmp_path: Path) -> None:
    """A home of the third schema: nothing is in the tally, so all are looked at until those of before have expired."""
    now = [1_780_315_200_000_000]
    home = tmp_path / "home"
    with pytest.MonkeyPatch.context() as patch:
        for module in (schema, sqlite):
            patch.setattr(module, "MIGRATIONS", schema.MIGRATIONS[:3])
            patch.setattr(module, "VERSION", 3)
        patch.setattr(agents, "add_key", add_key)
        house = House(home, home / DATABASE, clock=lambda: now[0])
        initialise(house, "example.org", None)
        transact(house, _grant)
        house.close()
    house = House(home, home / DATABASE, clock=lambda: now[0])
    task = "t-0000000000000001"
    fresh = issue_token(house, task, "https://api.example.org")[0]
    for selector in (
        Selector(task=task), Selector(agent="report-bot"), Selector(principal="alice@x.org"), Selector(instance="one")
    ):  # fmt: skip
        found = revoke(house, selector, None, dry_run=True)[0]
        assert (found.total, len(found.tokens)) == (3, 3), selector
    now[0] += tally.LONGEST_US
    assert tally.trusted(house.db, now[0])
    later = issue_token(house, task, "https://api.example.org")[0]
    found = revoke(house, Selector(agent="report-bot"), None)[0]
    assert (found.total, found.tokens) == (1, [later.jti])
    assert fresh.jti != later.jti
    house.close()


def _grant(act: Act) -> None:
    """An agent, a task and two tokens as they were kept then."""
    agent = '{"owner":"o","purpose":"p","env":null,"trust":0,"groups":[],"labels":{},"attested":false,"expires_us":null'
    seq = act.record("agent.registered", agent="report-bot")
    ident = agents.add(act.db, "report-bot", seq, "active", agent + ',"kid":null,"jwk":null}')
    doc = (
        '{"intent":"i","purpose":"p","principal":"alice@x.org","scope":[{"tools":["a.b"]}],'
        f'"deadline_us":{act.now_us + 86_400_000_000},"max_tokens":9,"max_calls":null}}'
    )
    insert = "INSERT INTO task (name, agent, instance, seq, doc, tokens) VALUES (?, ?, 'one', ?, ?, 2)"
    act.db.execute(insert, ("t-0000000000000001", ident, act.seq, doc))
    second = act.now_us // 1_000_000
    for number in range(2):
        seq = act.record("token.issued", agent="report-bot")
        insert = (
            "INSERT INTO token (jti, task, instance, key, seq, issued, expires, digest, audience)"
            " VALUES (?, 1, 'one', 2, ?, ?, ?, x'00', 'a')"
        )
        act.db.execute(insert, (bytes([number] * 16), seq, second, second + 300))
