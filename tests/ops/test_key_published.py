"""Signing keys and the folders others read: what is shown when, how long a new signer waits, folders that cannot be written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from nhictl.core.token import publish as documents
from nhictl.errors import ConflictError
from nhictl.ops import audit_log, change_key
from nhictl.ops.publish_trust import publish
from nhictl.store import schema, sqlite
from tests.ops.key_house import SETTLED, Keys, signer


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Keys]:
    made = Keys(tmp_path)
    yield made
    made.house.close()


def refused(home: Keys, kid: str) -> ConflictError:
    """Why the key may not sign yet."""
    with pytest.raises(ConflictError) as caught:
        change_key.activate(home.house, kid)
    assert (caught.value.exit, caught.value.code) == (5, "key_unsettled")
    assert home.states()[kid] == "prepared"
    return caught.value


def test_a_consumer_by_the_hint_is_waited_for(home: Keys) -> None:
    assert documents.REFRESH_HINT_S < SETTLED
    kid = home.prepare()
    for passed, left in ((0, 330), (1, 329), (299, 30), (29.999999, 1)):
        home.clock.advance(passed)
        error = refused(home, kid)
        assert (error.details, f"another {left} s" in error.message) == ({"wait_s": left}, True)
    home.clock.advance(0.000001)
    assert home.listed()[-1]["ready"] == home.listed(home.clock.now_us)[-1]["ready"]
    done = change_key.activate(home.house, kid)
    assert (done.early_until_us, done.replaced) == (None, home.first)
    assert "early" not in home.records()[-1]["ext"]


def test_without_waiting_it_is_said(home: Keys) -> None:
    kid = home.prepare()
    home.clock.advance(100)
    done = change_key.activate(home.house, kid, now=True)
    assert done.early_until_us == home.clock.now_us + 230 * 1_000_000
    assert home.records()[-1]["ext"] == {"kid": kid, "use": "token", "replaced": home.first, "early": True}


def test_where_nothing_is_published_nobody_is_waited_for(tmp_path: Path) -> None:
    home = Keys(tmp_path, served=False)
    kid = home.prepare()
    assert home.listed()[-1]["ready"] == home.listed()[-1]["since"]
    done = change_key.activate(home.house, kid)
    assert (done.published, done.early_until_us) == ([], None)
    home.house.close()


def test_the_sequence_grows_with_the_content(home: Keys) -> None:
    seen = [home.shown()]
    kid = home.prepare()
    seen.append(home.shown())
    home.clock.advance(SETTLED)
    for step in (change_key.activate, change_key.taint, change_key.revoke):
        step(home.house, kid if step is change_key.activate else home.first)
        seen.append(home.shown())
    both = [home.first, kid]
    assert seen == [
        ([home.first], [home.first], 1), (both, both, 2), (both, both, 2), (both, both, 2), ([kid], [kid], 3),
    ]  # fmt: skip
    kinds = [one["type"] for one in home.records()]
    assert kinds.count("trust.published") == 3, "a change of state alone is not published again"


def test_every_folder_is_brought_up_to_date(home: Keys, tmp_path: Path) -> None:
    publish(home.house, str(tmp_path / "other"))
    done = change_key.prepare(home.house)
    kid = done.key["kid"]
    assert [(each.out, each.changed, each.error) for each in done.published] == [
        (str(tmp_path / "other"), 2, None), (str(home.served), 2, None),
    ]  # fmt: skip
    assert home.shown() == home.shown(tmp_path / "other") == ([home.first, kid], [home.first, kid], 2)
    assert done.head.size == len(home.records())


def test_a_later_folder_is_waited_for_too(home: Keys, tmp_path: Path) -> None:
    kid = home.prepare()
    home.clock.advance(200)
    publish(home.house, str(tmp_path / "other"))
    home.clock.advance(200)
    assert refused(home, kid).details == {"wait_s": 130}
    home.clock.advance(130)
    change_key.activate(home.house, kid)


def test_a_folder_that_lost_the_key_begins_anew(home: Keys) -> None:
    """Whoever looked meanwhile has not seen it: it counts from when it was put back."""
    before = {path.name: path.read_bytes() for path in home.served.glob("*.json")}
    kid = home.prepare()
    home.clock.advance(SETTLED)
    for name, data in before.items():
        (home.served / name).write_bytes(data)
    assert refused(home, kid).details == {"wait_s": SETTLED}
    assert kid in home.shown()[0], "it is put back at once"
    home.clock.advance(SETTLED - 1)
    (home.served / "jwks.json").unlink()
    assert refused(home, kid).details == {"wait_s": SETTLED}, "half of it is lost as well"
    home.clock.advance(SETTLED)
    change_key.activate(home.house, kid)


def test_what_is_found_there_counts_from_when_it_was_found(home: Keys, tmp_path: Path) -> None:
    """Files that were copied there by hand, or of a database that knows nothing of them."""
    kid = home.prepare()
    shutil.copytree(home.served, tmp_path / "other")
    home.clock.advance(SETTLED)
    found = publish(home.house, str(tmp_path / "other"))[0]
    assert [file["path"] for file in found.files if file["changed"]] == ["status/1.jwt"], "it was signed a while ago"
    assert refused(home, kid).details == {"wait_s": SETTLED}
    home.clock.advance(SETTLED)
    home.house.db.execute("DELETE FROM key_publication WHERE folder = ?", (str(home.served),))
    assert refused(home, kid).details == {"wait_s": SETTLED}
    home.clock.advance(SETTLED)
    change_key.activate(home.house, kid)


def test_a_folder_that_cannot_be_written_is_not_waited_out(home: Keys) -> None:
    home.served.chmod(0o777)
    done = change_key.prepare(home.house)
    kid = done.key["kid"]
    assert (done.published[0].changed, "others could put keys" in str(done.published[0].error)) == (0, True)
    assert done.key["ready"] is None
    home.clock.advance(SETTLED * 3)
    assert f"not yet published in `{home.served}`" in refused(home, kid).message
    home.served.chmod(0o755)
    assert refused(home, kid).details == {"wait_s": SETTLED}
    home.clock.advance(SETTLED)
    change_key.activate(home.house, kid)
    assert signer(home.token()) == kid


def test_a_revocation_stands_whatever_becomes_of_the_folders(home: Keys, tmp_path: Path) -> None:
    publish(home.house, str(tmp_path / "other"))
    token = home.token()
    change_key.taint(home.house, home.first, now=True)
    shutil.rmtree(home.served)
    home.served.symlink_to(tmp_path / "other")
    done = change_key.revoke(home.house, home.first)
    assert [each.error is None for each in done.published] == [True, False]
    assert home.reason(token) == "key_revoked"
    assert home.shown(tmp_path / "other")[:2] == ([], [])
    assert done.head.size == len(home.records())
    assert audit_log.verify_home(home.house, []).exit == 0


def test_it_waits_its_turn_to_publish_and_not_to_revoke(home: Keys) -> None:
    """Another publisher that hangs holds up the files, never the revocation."""
    import fcntl

    from nhictl.ops.publish_trust import TURN

    token = home.token()
    change_key.taint(home.house, home.first, now=True)
    with (home.house.home / TURN).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        home.house.lock_timeout = 0.05
        done = change_key.revoke(home.house, home.first)
    assert done.published[0].error
    assert home.reason(token) == "key_revoked"
    assert home.shown()[0] == [home.first]
    publish(home.house, str(home.served))
    assert home.shown()[0] == []


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'{"keys":[{"kid":"a"},{"kid":"b","x":1},{}]}', {"a", "b"}),
        (b'{"keys":[]}', set()),
        (b'{"keys":["kid"]}', set()),
        (b'{"keys":[1]}', set()),
        (b'{"keys":null}', set()),
        (b'{"kid":"a"}', set()),
        (b"[]", set()),
        (b"", set()),
        (b'{"keys":[{"kid":"a"}]', set()),
        (b'{"keys":[{"kid":"a","kid":"a"}]}', set()),
    ],
)
def test_kids_of_what_stands_there(data: bytes, found: set[str]) -> None:
    assert documents.kids(data) == found


def test_an_older_home_rotates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that published before keys had a history: what its folder shows is known."""
    home = Keys(tmp_path)
    db = home.house.db
    for table in ("signing_key_version", "key_publication"):
        db.execute(f"DROP TABLE {table}")
    mine = next(
        n for n, steps in enumerate(schema.MIGRATIONS, 1) if any("signing_key_version" in step for step in steps)
    )
    for module in (schema, sqlite):  # the tables of later migrations stay as they are
        monkeypatch.setattr(module, "MIGRATIONS", schema.MIGRATIONS[:mine])
        monkeypatch.setattr(module, "VERSION", mine)
    db.execute(f"PRAGMA user_version={mine - 1}")
    home.house.close()
    assert home.states() == {home.first: "active"}
    rows = home.house.db.execute("SELECT * FROM key_publication").fetchall()
    assert rows == [(str(home.served), 2, home.house.db.execute("SELECT seq FROM publication").fetchone()[0])]
    size = len(home.records())
    publish(home.house, str(home.served))
    assert len(home.records()) == size, "there is nothing new to say of it"
    assert signer(home.token()) == home.first
    kid = home.rotate()
    assert json.loads((home.served / "jwks.json").read_bytes())["keys"][1]["kid"] == kid
    home.house.close()
