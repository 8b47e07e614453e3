"""A COMMIT that reports failure is read back: undone, carried out after all, or unknown, and never a guess."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from nhictl.errors import UnavailableError, UnsafeError
from nhictl.ops.act import Act, transact
from nhictl.ops.audit_log import verify_home
from nhictl.ops.house import House
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.turn import log_key
from nhictl.store import log, sqlite


def dump(house: House) -> str:
    """A digest of everything in the database."""
    return hashlib.sha256("\n".join(house.db.iterdump()).encode()).hexdigest()


def one_record(act: Act) -> int:
    return act.record("key.prepared")


def add_agent(house: House, name: str = "bot") -> None:
    register(house, Registration(name, "o@example.org", "p"), None, None)


class Connection:
    """The connection, but for what `on_commit` does instead of COMMIT."""

    def __init__(self, real: sqlite3.Connection, on_commit: Callable[[sqlite3.Connection], None]) -> None:
        self.real = real
        self.on_commit = on_commit

    def execute(self, sql: str, *values: Any) -> Any:
        if sql == "COMMIT":
            return self.on_commit(self.real)
        return self.real.execute(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def failing(*, carried_out: bool) -> Callable[[sqlite3.Connection], None]:
    def commit(real: sqlite3.Connection) -> None:
        if carried_out:
            real.execute("COMMIT")
        raise sqlite3.OperationalError("disk I/O error")

    return commit


def commits_with(house: House, on_commit: Callable[[sqlite3.Connection], None]) -> None:
    wrapped: Any = Connection(house.db, on_commit)
    house._db = wrapped


def mended(house: House) -> None:
    wrapped: Any = house.db
    house._db = wrapped.real


def test_a_commit_that_failed_is_undone_and_says_so(house: House) -> None:
    before = dump(house)
    commits_with(house, failing(carried_out=False))
    with pytest.raises(UnavailableError, match=r"nothing was done.*disk I/O error") as caught:
        add_agent(house)
    assert (caught.value.code, caught.value.exit) == ("unavailable", 7)
    mended(house)
    assert not house.db.in_transaction
    assert dump(house) == before
    add_agent(house)
    assert verify_home(house, ()).size == 3


def test_a_commit_that_reported_failure_and_was_carried_out_is_a_success(house: House) -> None:
    commits_with(house, failing(carried_out=True))
    _, head = transact(house, one_record)
    mended(house)
    assert head.size == 3
    found = verify_home(house, ())
    assert (found.exit, found.size, found.root) == (0, 3, head.root)


def test_another_record_in_its_place_is_no_success(house: House) -> None:
    """Somebody else's record of the same number is there when the commit is read back: it is not ours."""

    def commit(real: sqlite3.Connection) -> None:
        real.execute("ROLLBACK")
        other = House(house.home, house.database, clock=house.clock)
        other.db.execute("BEGIN IMMEDIATE")
        before = log.head(other.db)
        assert before is not None
        act = Act(other, other.db, house.clock(), before)
        act.record("key.tainted")
        act.finish(log_key(other))
        other.db.execute("COMMIT")
        other.close()
        raise sqlite3.OperationalError("disk I/O error")

    commits_with(house, commit)
    with pytest.raises(UnavailableError, match="nothing was done"):
        transact(house, one_record)
    mended(house)
    assert verify_home(house, ()).size == 3


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize("error", [sqlite3.OperationalError("gone"), UnsafeError("gone")])
def test_a_commit_whose_fate_is_unknown_is_never_called_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, carried_out: bool, error: Exception
) -> None:
    def gone(_: object) -> sqlite3.Connection:
        raise error

    house.meta  # noqa: B018  # read while it can be
    commits_with(house, failing(carried_out=carried_out))
    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "open_existing", gone)
        with pytest.raises(UnavailableError) as caught:
            transact(house, one_record)
    assert (caught.value.code, caught.value.exit) == ("outcome_unknown", 7)
    assert "nothing was done" not in caught.value.message
    assert "record 2" in str(caught.value.hint)
    mended(house)
    assert verify_home(house, ()).size == (3 if carried_out else 2)
