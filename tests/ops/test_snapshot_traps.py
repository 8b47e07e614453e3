"""Old views of the store: a read somebody left open, a database put back from yesterday, a home that was copied."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from nhictl.errors import UnsafeError
from nhictl.ops.accept_restore import accept
from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.ops.verify_token import consume, verify
from tests.harness import Clock
from tests.ops.token_home import DOMAIN, add_agent, add_task, add_token, question

ALONE: dict[str, None] = {"tool": None, "args": None, "resource": None}


@pytest.fixture
def home(tmp_path: Path) -> House:
    made = House(tmp_path / "home", tmp_path / "home" / DATABASE, clock=Clock())
    initialise(made, DOMAIN, None)
    add_agent(made, "report-bot")
    return made


def opened(folder: Path) -> House:
    """The home as another process opens it."""
    return House(folder, folder / DATABASE, clock=Clock())


def reason(house: House, token: str) -> str:
    return verify(house, question(token, **ALONE)).reason


@pytest.mark.parametrize("held", ["a transaction", "a cursor"])
def test_a_verifier_that_holds_a_read_open_still_sees_a_revocation(home: House, held: str) -> None:
    kept, ended = (add_token(home, add_task(home)) for _ in range(2))
    checker = opened(home.home)
    assert {reason(checker, each.token) for each in (kept, ended)} == {"valid"}, "positive control"
    if held == "a transaction":
        checker.db.execute("BEGIN")
    cursor = checker.db.execute("SELECT seq FROM log UNION ALL SELECT seq FROM log")
    assert cursor.fetchone()
    revoke(home, Selector(jti=ended.jti), None)
    old = checker.db.execute("SELECT count(*) FROM token WHERE revoked IS NOT NULL").fetchone()
    assert old == (0,), "the read that is open does not see it: this is the trap"
    assert reason(checker, ended.token) == "token_revoked"
    assert reason(checker, kept.token) == "valid"
    cursor.close()
    checker.close()


def test_a_database_put_back_from_yesterday(home: House, tmp_path: Path) -> None:
    early = add_token(home, add_task(home))
    yesterday = tmp_path / "yesterday.db"
    with sqlite3.connect(yesterday) as copy:
        home.db.backup(copy)
    copy.close()
    late = add_token(home, add_task(home))
    revoke(home, Selector(jti=early.jti), None)
    assert (reason(home, early.token), reason(home, late.token)) == ("token_revoked", "valid")
    home.close()
    for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
        (home.home / name).unlink(missing_ok=True)
    shutil.copy(yesterday, home.home / DATABASE)
    (home.home / DATABASE).chmod(0o600)
    back = opened(home.home)
    for token in (early, late):
        for check in (verify, consume):
            with pytest.raises(UnsafeError) as caught:
                check(back, question(token.token, **ALONE))
            assert (caught.value.code, caught.value.exit) == ("store_rolled_back", 6)
    accept(back)
    assert reason(back, early.token) == "token_revoked", (
        "what was issued before the restore is cut off, whatever it was"
    )
    assert reason(back, late.token) == "token_unknown"
    assert reason(back, add_token(back, add_task(back)).token) == "valid"
    back.close()


def test_a_home_that_was_copied_and_goes_on_is_another(home: House, tmp_path: Path) -> None:
    task = add_task(home)
    before = add_token(home, task)
    home.close()
    shutil.copytree(home.home, tmp_path / "clone")
    clone, ours = opened(tmp_path / "clone"), opened(home.home)
    theirs, own = add_token(clone, task), add_token(ours, task)
    assert (reason(clone, theirs.token), reason(ours, own.token)) == ("valid", "valid"), "positive controls"
    assert (reason(ours, theirs.token), reason(clone, own.token)) == ("token_unknown", "token_unknown")
    revoke(ours, Selector(jti=before.jti), None)
    assert reason(ours, before.token) == "token_revoked"
    assert reason(clone, before.token) == "valid", "a copy knows nothing of what happens elsewhere: shown, not promised"
    clone.close()
    ours.close()
