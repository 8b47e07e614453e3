"""An agent is inactive from the very microsecond of its expiry on, everywhere at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nhictl.errors import ConflictError
from nhictl.ops import tokens
from nhictl.ops.change_agent import change
from nhictl.ops.inspect_token import inspect
from nhictl.ops.issue_token import issue_token
from nhictl.ops.update_agent import Edit, update
from tests.ops.agent_house import AUDIENCE, MINUTE, Agents


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Agents]:
    made = Agents(tmp_path)
    made.add(expires_s=600)
    yield made
    made.house.close()


def standing(home: Agents, task: str, token: str) -> list[str]:
    """How every place answers now."""

    def refused(act: object) -> str:
        try:
            act()  # type: ignore[operator]
        except ConflictError as e:
            return e.code
        return "done"

    return [
        home.show()["state"], home.verdict(token)[0], home.decision(), home.decision(task=task),
        refused(home.task), refused(lambda: issue_token(home.house, task, AUDIENCE)),
    ]  # fmt: skip


ALIVE = ["active", "valid", "permitted", "permitted", "done", "done"]
DEAD = ["expired", "agent_retired", "invalid_request", "invalid_request", "agent_expired", "agent_expired"]


def test_everywhere_at_once(home: Agents) -> None:
    end = home.now + 10 * MINUTE
    task = home.task()
    home.now = end - 2_000_000
    token = home.token(task)
    home.now = end - 1_000_001
    assert standing(home, task, token) == ALIVE
    for home.now in (end, end + 1, end + 29_000_000):
        assert standing(home, task, token) == DEAD
    assert home.verdict(token) == ("agent_retired", 14)
    states = {t["state"] for t in tokens.everything(home.house, task=None, agent=None, live=False)}
    assert states <= {"agent_expired", "expired"}
    assert tokens.everything(home.house, task=None, agent=None, live=True) == []
    assert home.verdict(token, at=end - 1_000_000)[0] == "valid"
    assert home.show(at=end - 1)["state"] == "active"


def test_a_token_never_outlives_its_agent(home: Agents) -> None:
    """A verifier far away sees the token alone."""
    task = home.task()
    assert claims(home, task)["exp"] == home.now // 1_000_000 + 300
    home.now += 9 * MINUTE
    assert claims(home, task)["exp"] == home.now // 1_000_000 + 60


def claims(home: Agents, task: str) -> dict[str, int]:
    """The claims of a new token."""
    found: dict[str, int] = inspect(home.token(task).encode())["claims"]
    return found


def test_in_its_last_split_second_there_is_no_token(home: Agents) -> None:
    task = home.task()
    home.now += 500_000
    update(home.house, "bot", Edit(expires_s=1))
    home.now += 700_000  # it has 0.3 s to live, and a token's times are whole seconds
    assert home.show()["state"] == "active"
    with pytest.raises(ConflictError) as caught:
        issue_token(home.house, task, AUDIENCE)
    assert caught.value.code == "agent_expired"


def test_a_later_expiry_brings_it_back(home: Agents) -> None:
    task = home.task()
    home.now += 11 * MINUTE
    update(home.house, "bot", Edit(expires_s=600))
    assert home.show()["state"] == "active"
    assert home.verdict(home.token(task)) == ("valid", 20)


def test_suspended_beyond_its_expiry_it_is_not_brought_back_by_resuming(home: Agents) -> None:
    change(home.house, "bot", "suspend", None)
    home.now += 11 * MINUTE
    assert home.show()["state"] == "suspended"
    assert change(home.house, "bot", "resume", None)[0]["state"] == "expired"
    assert home.decision() == "invalid_request"
