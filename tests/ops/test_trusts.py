"""Adding, renewing, listing and removing trusts, now and at an earlier moment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nhictl.errors import ConflictError, InputError, NotFoundError
from nhictl.ops import audit_log, tasks, trusts
from nhictl.ops.act import CLOCK_LEEWAY_US
from nhictl.ops.activate_policy import activate
from nhictl.ops.change_agent import change
from nhictl.ops.end_task import end_task
from tests.ops.agent_house import MINUTE
from tests.ops.ci_issuer import EC_JWK, GITHUB, RSA_JWK, github, sign, trust
from tests.ops.exchange_house import Exchange, fresh


@pytest.fixture
def home(tmp_path: Path) -> Exchange:
    return Exchange(tmp_path)


def names(home: Exchange, at: int | None = None) -> list[str]:
    """The trusts in force."""
    return [one["name"] for one in trusts.everything(home.house, at)]


def add(home: Exchange, **changes: Any) -> Any:
    """Try to add a trust."""
    return trusts.add(home.house, "t.yaml", json.dumps(trust(**changes)).encode())


def test_what_is_recorded(home: Exchange) -> None:
    last = home.last()
    shown = trusts.everything(home.house)[0]
    assert (last["type"], last["agent"], list(last["c"])) == ("trust.added", "deploy-bot", ["trust"])
    assert last["ext"] == {
        "trust": "deploy-main",
        "iss": GITHUB,
        "jwks": shown["jwks"],
        "trust_sha256": shown["digest"],
    }
    assert shown["jwks"].startswith("sha256:")
    assert "456789" not in json.dumps(last), "whom it lets in is sealed"
    assert (shown["seq"], shown["state"], shown["tasks"]) == (4, "in_force", 0)
    assert shown["keys"] == [{"kid": RSA_JWK["kid"], "kty": "RSA", "alg": "RS256"}]


def test_a_trust_that_is_too_open_is_not_added(home: Exchange) -> None:
    before = home.size()
    made, head = add(home, name="open", audience=None)
    assert isinstance(made, trusts.Refused)
    assert head is None
    assert [finding["code"] for finding in made.linted.to_json()["findings"]] == ["audience_missing"]
    assert (home.size(), names(home)) == (before, ["deploy-main"])


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({}, ConflictError, "trust_exists"),
        ({"name": "b", "agent": "nobody"}, NotFoundError, "agent_unknown"),
        ({"name": "b", "agent": "gone-bot"}, ConflictError, "agent_retired"),
        ({"name": "b", "ttl": "2h"}, InputError, "invalid_input"),
        ({"name": "b", "jwks": "missing.json"}, InputError, "unreadable"),
    ],
)
def test_what_cannot_be_added(home: Exchange, changes: dict[str, Any], error: type[Exception], code: str) -> None:
    home.add("gone-bot")
    change(home.house, "gone-bot", "retire", None)
    before = home.size()
    with pytest.raises(error) as caught:
        add(home, **changes)
    assert (getattr(caught.value, "code", None), home.size()) == (code, before)


def test_our_own_tokens_open_no_tasks(home: Exchange) -> None:
    home.house.meta["issuer"] = GITHUB
    with pytest.raises(ConflictError) as caught:
        add(home, name="self")
    assert caught.value.code == "issuer_own"


def test_boxes_are_typed_by_the_catalogue(home: Exchange) -> None:
    policy = {
        "nhictl_policy": 1, "tools": {"deploy.run": {"args": {"env": "string"}}, "deploy.status": {"args": {}}},
        "rules": [{"id": "R", "effect": "permit", "match": {"tools": ["deploy.run"]}}],
    }  # fmt: skip
    activate(home.house, [("p", json.dumps(policy).encode())])
    with pytest.raises(InputError) as caught:
        add(home, name="b", scope=["deploy.run?args.environment=prod"])
    assert "declares" in caught.value.message
    assert caught.value.details["line"] == 1
    add(home, name="b", scope=["deploy.run?args.env=7"])
    assert trusts.everything(home.house)[0]["scope"] == [{"tools": ["deploy.run"], "when": {"args.env": {"eq": "7"}}}]


def test_kept_for_every_moment(home: Exchange) -> None:
    start = home.now
    home.now += MINUTE
    home.trust(replace=True, jwks={"keys": [EC_JWK]}, ttl="1m")
    home.now += MINUTE
    trusts.remove(home.house, "deploy-main", "archived")
    home.now += MINUTE
    assert names(home, start - 1) == []
    for at, keys, ttl in ((start, [RSA_JWK], "5m"), (start + MINUTE, [EC_JWK], "1m")):
        found = trusts.everything(home.house, at)
        assert [(one["keys"][0]["kid"], one["ttl"], one["state"]) for one in found] == [
            (keys[0]["kid"], ttl, "in_force")
        ]
    assert names(home, start + 2 * MINUTE) == names(home) == []
    token = sign(github(start // 10**6))
    assert home.explained(token, start)["would"] == "exchange"
    later = [check["reason"] for check in home.explained(token, start + MINUTE)["checks"]]
    assert "alg_not_allowed" in later
    gone = home.explained(token, start + 2 * MINUTE)
    assert (gone["trust"]["state"], gone["checks"][0]["reason"]) == ("removed", "trust_removed")
    home.trust()
    assert names(home) == ["deploy-main"]


def test_what_was_spent_then(home: Exchange) -> None:
    start, token = home.now, sign(github())
    home.now += MINUTE
    made = home.good(token)
    assert home.explained(token, start)["would"] == "exchange"
    assert home.explained(token, home.now)["would"] == "refuse"
    assert trusts.everything(home.house, start)[0]["tasks"] == 0
    shown = trusts.everything(home.house)[0]
    assert (shown["tasks"], shown["open_tasks"], shown["live_tokens"]) == (1, 1, 1)
    home.now += MINUTE
    trusts.remove(home.house, "deploy-main", None, end_tasks=True)
    assert tasks.show(home.house, made.issued.task)["state"] == "killed"
    home.now += 10 * MINUTE
    then = trusts.everything(home.house, start + MINUTE)[0]
    assert (then["open_tasks"], then["live_tokens"], then["state"]) == (1, 1, "in_force")


def test_replaced_in_one_act(home: Exchange) -> None:
    before = home.size()
    home.good(fresh())
    home.trust(replace=True, ttl="1m")
    added = home.last()
    assert (home.size(), added["type"], added["ext"]["replaces"]) == (before + 4, "trust.added", 4)
    shown = trusts.everything(home.house)[0]
    assert (shown["ttl"], shown["tasks"]) == ("1m", 1), "what was opened under the name stays with it"
    home.trust(name="other", replace=True)
    assert "replaces" not in home.last()["ext"], "there was none to replace"


def test_removal_ends_exchanges_and_says_what_goes_on(home: Exchange) -> None:
    first, second = home.good(fresh()), home.good(fresh())
    done = home.good(fresh())
    end_task(home.house, done.issued.task, "closed", None)
    _, counts, ended, _ = trusts.remove(home.house, "deploy-main", "archived")
    assert (counts, ended) == ((3, 2, 2), 0)
    last = home.last()
    assert last["type"] == "trust.removed"
    assert last["ext"] == {"trust": "deploy-main", "open_tasks": 2, "live_tokens": 2, "ended_tasks": 0}
    assert [tasks.show(home.house, one.issued.task)["state"] for one in (first, second)] == ["open", "open"]
    assert home.refused(fresh()).reason == "trust_removed"
    with pytest.raises(NotFoundError) as caught:
        trusts.remove(home.house, "deploy-main", None)
    assert "removed by record" in caught.value.message


def test_removal_can_end_the_tasks_in_the_same_act(home: Exchange) -> None:
    made = [home.good(fresh()) for _ in range(2)]
    home.trust(name="other")
    spared = home.good(fresh(), "other")
    before = home.size()
    _, counts, ended, head = trusts.remove(home.house, "deploy-main", "stolen", end_tasks=True)
    assert (counts.open_tasks, ended, head.size) == (2, 2, before + 3)
    assert [record["type"] for record in home.records()[before:]] == ["trust.removed", "task.killed", "task.killed"]
    assert [tasks.show(home.house, one.issued.task)["state"] for one in made] == ["killed", "killed"]
    assert tasks.show(home.house, spared.issued.task)["state"] == "open"
    assert audit_log.verify_home(home.house, ()).exit == 0


def test_removal_works_with_a_clock_that_went_back(home: Exchange) -> None:
    home.now -= 2 * CLOCK_LEEWAY_US
    trusts.remove(home.house, "deploy-main", None)
    assert names(home) == []


def test_key_files_are_found_beside_the_trust(home: Exchange, tmp_path: Path) -> None:
    folder = tmp_path / "trusts"
    folder.mkdir()
    (folder / "keys.json").write_text(json.dumps({"keys": [RSA_JWK]}))
    value = json.dumps(trust(name="beside", jwks="keys.json")).encode()
    assert trusts.look(str(folder / "t.yaml"), value).valid
    (folder / "keys.json").write_bytes(b" " * (trusts.MAX_FILE + 1))
    with pytest.raises(InputError) as caught:
        trusts.look(str(folder / "t.yaml"), value)
    assert caught.value.code == "too_large"
