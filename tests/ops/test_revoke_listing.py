"""Which tokens a large cut-off ended: listed once their end is durable, as they stood before it and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhictl.ops import revoke_token, tokens
from nhictl.ops.house import House
from nhictl.ops.issue_token import issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.store import cuts, sqlite
from tests.ops.token_home import AUDIENCE, Authority, add_agent, boxes


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    made = Authority(tmp_path / "home")
    yield made
    made.house.close()


def made(house: House, agent: str, count: int) -> list[str]:
    add_agent(house, agent)
    task = str(open_task(house, Order(agent, "i", "p", boxes(), instance="n", max_tokens=99))[0]["id"])
    return [issue_token(house, task, AUDIENCE)[0].jti for _ in range(count)]


@pytest.mark.parametrize(("limit", "durable"), [(4, True), (5, False)], ids=["more than the limit", "just the limit"])
def test_the_list_comes_after_the_end(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, limit: int, durable: bool
) -> None:
    """At the moment of listing another connection sees the cut-off already if there are many, and not if there are few."""
    house = authority.house
    ours = made(house, "x-bot", 5)
    theirs = made(house, "y-bot", 2)
    seen: list[bool] = []
    some = cuts.some

    def watched(*args: Any) -> list[bytes]:
        other = sqlite.open_existing(house.database)
        seen.append(other.execute("SELECT count(*) FROM cutoff").fetchone()[0] == 1)
        other.close()
        return some(*args)

    monkeypatch.setattr(cuts, "some", watched)
    monkeypatch.setattr(revoke_token, "SHOWN", limit)
    found, head = revoke(house, Selector(agent="x-bot"), None)
    assert (found.total, found.tokens, seen) == (5, ours[:limit], [durable])
    assert head is not None
    listed = [row["jti"] for row in tokens.revoked_by(house, head.size - 1, task=None, agent=None)]
    assert listed == ours
    assert not set(theirs) & set(listed)


def test_what_was_cut_off_before_is_not_listed_again(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor what was issued between the end and the listing."""
    house = authority.house
    before = made(house, "x-bot", 3)
    revoke(house, Selector(agent="x-bot"), None)
    task = str(open_task(house, Order("x-bot", "i", "p", boxes(), instance="n", max_tokens=99))[0]["id"])
    ours = [issue_token(house, task, AUDIENCE)[0].jti for _ in range(3)]
    late: list[str] = []
    some = cuts.some

    def meanwhile(*args: Any) -> list[bytes]:
        late.append(issue_token(house, task, AUDIENCE)[0].jti)
        return some(*args)

    monkeypatch.setattr(cuts, "some", meanwhile)
    monkeypatch.setattr(revoke_token, "SHOWN", 2)
    found, _ = revoke(house, Selector(agent="x-bot"), None)
    assert (found.total, found.tokens, len(late)) == (3, ours[:2], 1)
    assert not set(before) & set(found.tokens)
    monkeypatch.setattr(cuts, "some", some)
    assert revoke(house, Selector(agent="x-bot"), None, dry_run=True)[0].tokens == late
