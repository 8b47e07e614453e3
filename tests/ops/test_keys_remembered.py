"""A process that signed before knows its keys; whatever became of them elsewhere meanwhile is seen before it signs again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nhictl.core import strict_json
from nhictl.core.ledger import checkpoint
from nhictl.core.token import b64
from nhictl.errors import ConflictError
from nhictl.ops import change_key
from nhictl.ops.audit_log import newest, public_keys, verify_home
from nhictl.ops.house import House
from nhictl.ops.issue_token import issue_token
from nhictl.ops.key_custody import Wanted, change
from nhictl.ops.rotate_log_key import rotate
from tests.ops.token_home import Authority, question


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    made = Authority(tmp_path / "home")
    yield made
    made.house.close()


def kid_of(authority: Authority) -> str:
    token = issue_token(authority.house, authority.task, question("x").audience)[0].token
    return str(strict_json.loads(b64.decode(token.split(".")[0]))["kid"])


def replaced(house: House) -> None:
    made = change_key.prepare(house)
    change_key.activate(house, made.key["kid"], now=True)


def tainted(house: House) -> None:
    old = house.db.execute("SELECT kid FROM signing_key WHERE use = 'token' AND state = 'active'").fetchone()[0]
    replaced(house)
    change_key.taint(house, old)
    change_key.revoke(house, old)


@pytest.mark.parametrize("meanwhile", [replaced, tainted])
def test_token_key(authority: Authority, meanwhile: Callable[[House], None]) -> None:
    before = [kid_of(authority), kid_of(authority)]
    elsewhere = House(authority.house.home, authority.house.database, clock=authority.clock)
    meanwhile(elsewhere)
    elsewhere.close()
    after = kid_of(authority)
    assert after not in before
    assert kid_of(authority) == after


def test_no_key_is_active_any_more(authority: Authority) -> None:
    kid = kid_of(authority)
    elsewhere = House(authority.house.home, authority.house.database, clock=authority.clock)
    change_key.taint(elsewhere, kid, now=True)
    elsewhere.close()
    for _ in range(2):
        with pytest.raises(ConflictError) as refused:
            kid_of(authority)
        assert refused.value.code == "no_token_key"


def test_log_key_and_custody(authority: Authority) -> None:
    kid_of(authority)
    old = public_keys(authority.house)[-1]
    elsewhere = House(authority.house.home, authority.house.database, clock=authority.clock)
    rotate(elsewhere)
    kid_of(authority)
    note = newest(authority.house)[0]
    assert not checkpoint.signed_by(note, old)
    assert checkpoint.signed_by(note, public_keys(authority.house)[-1])
    change(elsewhere, Wanted("file"), new_key=True)
    elsewhere.close()
    with pytest.raises(ConflictError) as refused:
        kid_of(authority)
    assert refused.value.code == "custody_changed"
    kid_of(authority)
    assert verify_home(authority.house, ()).exit == 0
