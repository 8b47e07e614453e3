"""`agent update`: one act, one record that says what changed; none where nothing does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhictl.errors import ConflictError, InputError, NotFoundError
from nhictl.ops.change_agent import change
from nhictl.ops.update_agent import Edit, update
from tests.ops.agent_house import MINUTE, Agents


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Agents]:
    made = Agents(tmp_path)
    made.add(env="prod", trust=1, groups=("b", "a"), labels=(("k", "v"),))
    yield made
    made.house.close()


CHANGES: list[tuple[str, Edit, dict[str, Any]]] = [
    ("owner", Edit(owner="new@example.org"), {"owner": "new@example.org"}),
    ("env", Edit(env="staging"), {"env": "staging"}),
    ("no env", Edit(no_env=True), {"env": None}),
    ("trust", Edit(trust=3), {"trust": 3}),
    ("trust to nothing", Edit(trust=0), {"trust": 0}),
    ("groups replaced", Edit(groups=("z", "y", "z")), {"groups": ["y", "z"]}),
    ("group added", Edit(add_groups=("c",)), {"groups": ["a", "b", "c"]}),
    ("group removed", Edit(remove_groups=("a",)), {"groups": ["b"]}),
    ("groups both", Edit(add_groups=("c",), remove_groups=("a", "ghost")), {"groups": ["b", "c"]}),
    ("label added", Edit(labels=(("a", "1"),)), {"labels": {"a": "1", "k": "v"}}),
    ("label changed", Edit(labels=(("k", "w"),)), {"labels": {"k": "w"}}),
    ("label removed", Edit(remove_labels=("k",)), {"labels": {}}),
    ("expires", Edit(expires_s=60), {"expires": "2026-06-01T12:01:00.000000Z"}),
    ("attested", Edit(attested=True), {"attested": True}),
    ("two at once", Edit(trust=2, env="lab"), {"env": "lab", "trust": 2}),
]


@pytest.mark.parametrize(("edit", "to"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_what_changes_is_shown_and_recorded(home: Agents, edit: Edit, to: dict[str, Any]) -> None:
    before, size = home.show(), home.size()
    agent, names, head = update(home.house, "bot", edit)
    assert agent == before | to == home.show()
    assert sorted(names) == sorted(to)
    assert home.size() == size + 1 == head.size
    assert home.last()["type"] == "agent.updated"
    assert home.last()["agent"] == "bot"
    assert home.last()["ext"] == {"changed": names, "to": to}


def test_a_new_purpose_is_sealed_not_written(home: Agents) -> None:
    agent, names, _ = update(home.house, "bot", Edit(purpose="counting the silver"))
    assert (agent["purpose"], names) == ("counting the silver", ["purpose"])
    assert home.last()["ext"] == {"changed": ["purpose"], "to": {}}
    assert set(home.last()["c"]) == {"purpose"}
    assert "silver" not in str(home.last())


SAME = [
    Edit(owner="o@example.org"), Edit(purpose="reading"), Edit(env="prod"), Edit(trust=1), Edit(groups=("a", "b")),
    Edit(add_groups=("a",)), Edit(remove_groups=("ghost",)), Edit(labels=(("k", "v"),)), Edit(remove_labels=("ghost",)),
    Edit(never_expires=True), Edit(attested=False),
]  # fmt: skip


@pytest.mark.parametrize(
    "edit", SAME, ids=lambda edit: next(f for f, v in edit._asdict().items() if v != Edit._field_defaults[f])
)
def test_nothing_to_change_is_no_record(home: Agents, edit: Edit) -> None:
    before, size = home.show(), home.size()
    agent, names, head = update(home.house, "bot", edit)
    assert names == []
    assert agent == before == home.show()
    assert home.unchanged(head, size)


REFUSED = [
    (Edit(owner=" "), "invalid_owner"),
    (Edit(owner="o\n"), "invalid_owner"),
    (Edit(owner="a\u202eb"), "invalid_owner"),
    (Edit(purpose=""), "invalid_purpose"),
    (Edit(purpose="x" * 501), "invalid_purpose"),
    (Edit(trust=4), "invalid_trust"),
    (Edit(trust=-1), "invalid_trust"),
    (Edit(env=""), "invalid_label"),
    (Edit(env="a b"), "invalid_label"),
    (Edit(groups=("g\x1b[2J",)), "invalid_label"),
    (Edit(add_groups=("é",)), "invalid_label"),
    (Edit(groups=tuple(f"g{n}" for n in range(65))), "invalid_label"),
    (Edit(labels=(("", "v"),)), "invalid_label"),
    (Edit(labels=(("k", "v" * 129),)), "invalid_label"),
    (Edit(labels=tuple((f"k{n}", "v") for n in range(33))), "invalid_label"),
    (Edit(expires_s=9_999_999_999 * 86400), "usage"),
]


@pytest.mark.parametrize(("edit", "code"), REFUSED, ids=range(len(REFUSED)))
def test_values_out_of_their_limits_change_nothing(home: Agents, edit: Edit, code: str) -> None:
    before, size = home.show(), home.size()
    with pytest.raises(InputError) as caught:
        update(home.house, "bot", edit)
    assert caught.value.code == code
    assert (home.show(), home.size()) == (before, size)


def test_the_largest_agent_fits_a_record(home: Agents) -> None:
    most = Edit(
        groups=tuple(f"{n:03}" + '"' * 125 for n in range(64)),
        labels=tuple((f"{n:03}" + "\\" * 125, '"' * 128) for n in range(31)),
    )
    assert update(home.house, "bot", most)[1] == ["groups", "labels"]


def test_unknown_and_retired(home: Agents) -> None:
    with pytest.raises(NotFoundError):
        update(home.house, "ghost", Edit(trust=2))
    change(home.house, "bot", "retire", None)
    size = home.size()
    with pytest.raises(ConflictError) as caught:
        update(home.house, "bot", Edit(trust=1))
    assert caught.value.code == "agent_retired"
    assert home.size() == size


def test_a_suspended_agent_stays_suspended(home: Agents) -> None:
    change(home.house, "bot", "suspend", None)
    assert update(home.house, "spiffe://example.org/agent/bot", Edit(trust=2))[0]["state"] == "suspended"


def test_earlier_moments_keep_their_answer(home: Agents) -> None:
    then = home.now
    home.now += MINUTE
    update(home.house, "bot", Edit(trust=3, groups=("z",)))
    home.now += MINUTE
    update(home.house, "bot", Edit(trust=0))
    assert [home.show(at=then + n * MINUTE)["trust"] for n in (0, 1, 2)] == [1, 3, 0]
    assert home.show(at=then)["groups"] == ["a", "b"]


def test_policy_sees_the_change_at_once(home: Agents) -> None:
    update(home.house, "bot", Edit(expires_s=60))
    assert home.decision() == "permitted"
    home.now += MINUTE
    assert home.decision() == "invalid_request"
    update(home.house, "bot", Edit(never_expires=True))
    assert home.decision() == "permitted"
    assert home.decision(at=home.now - 1) == "permitted"
