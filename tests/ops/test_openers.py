"""Openers: who may open which tasks, for whom, and up to where; who may not is refused, recorded, and nothing was opened."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.policy.box import parse_box
from nhictl.errors import NotFoundError, RefusedError
from nhictl.ops import openers
from nhictl.ops.activate_policy import activate
from nhictl.ops.open_task import Order, open_task
from tests.ops.exchange_house import Exchange, fresh
from tests.ops.token_home import Authority, records
from tests.ops.treasury import Treasury, policy, treasury

ME, OTHER = 4001, 4002
OPENERS: list[dict[str, Any]] = [
    {"uid": [ME], "agents": ["report-*"], "intents": ["pay"], "scope": ["pay.send?args.amount<=100", "memo.send"]},
    {
        "uid": [ME],
        "agents": ["report-bot"],
        "intents": ["pay"],
        "scope": [{"tools": ["vault.read"], "resource": "vault://a"}],
    },
    {"uid": [ME, OTHER], "agents": ["other-bot"]},
]


@pytest.fixture
def desk(authority: Authority) -> Iterator[Treasury]:
    with treasury(authority) as made:
        made.house.uid = lambda: ME
        made.activate(policy(openers=OPENERS))
        yield made


GOOD: list[tuple[int, dict[str, Any]]] = [
    (ME, {"scope": ("pay.send?args.amount<=100",)}),
    (ME, {"scope": ("pay.send?args.amount<=5&args.currency=EUR", "memo.send", "vault.read@vault://a/b")}),
    (ME, {"agent": "other-bot"}),
    (OTHER, {"agent": "other-bot", "scope": ("pay.send",)}),
]
BAD: list[tuple[int, dict[str, Any], str]] = [
    (ME, {"scope": ("pay.send?args.amount<=101",)}, "scope_exceeds_opener"),
    (ME, {"scope": ("memo.send", "pay.send")}, "scope_exceeds_opener"),
    (ME, {"scope": ("vault.read@vault://ab",)}, "scope_exceeds_opener"),
    (ME, {"scope": ("*",)}, "scope_exceeds_opener"),
    (OTHER, {"scope": ("memo.send",)}, "opener_not_listed"),
    (0, {"scope": ("memo.send",)}, "opener_not_listed"),
    (-1, {"agent": "other-bot"}, "opener_not_listed"),
]


@pytest.mark.parametrize(("uid", "order"), GOOD)
def test_what_an_opener_may_open(desk: Treasury, uid: int, order: dict[str, Any]) -> None:
    desk.house.uid = lambda: uid
    desk.open(**order)
    assert records(desk.house)[-1]["ext"]["opener"] == {"by": "policy", "uid": uid}


@pytest.mark.parametrize(("uid", "order", "code"), BAD)
def test_what_nobody_else_may(desk: Treasury, uid: int, order: dict[str, Any], code: str) -> None:
    desk.house.uid = lambda: uid
    tasks = desk.house.db.execute("SELECT count(*) FROM task").fetchone()
    with pytest.raises(RefusedError) as caught:
        desk.open(**order)
    assert (caught.value.code, caught.value.exit) == (code, 1)
    told = records(desk.house)[-1]
    assert (told["type"], told["op"], told["outcome"]) == ("policy.evaluated", "task.open", "deny")
    assert (told["dec"]["reason"], told["ext"]["uid"], told["ext"]["intent"]) == (code, uid, "pay")
    assert desk.house.db.execute("SELECT count(*) FROM task").fetchone() == tasks


def test_another_intent(desk: Treasury) -> None:
    order = Order("report-bot", "chat", "talking", (parse_box("memo.send"),), instance="one")
    with pytest.raises(RefusedError):
        open_task(desk.house, order)


def test_the_environment_makes_nobody_anyone(desk: Treasury, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.house.uid = None
    for name in ("SUDO_UID", "UID", "USER", "LOGNAME", "SUDO_USER"):
        monkeypatch.setenv(name, str(ME))
    with pytest.raises(RefusedError):
        desk.open(scope=("memo.send",))


def test_without_openers_it_is_the_owners_and_the_record_says_so(authority: Authority) -> None:
    with treasury(authority) as desk:
        assert [r for r in records(desk.house) if r["type"] == "task.opened"][-1]["ext"]["opener"] == {"by": "owner"}


def test_an_agent_that_there_is_not_is_not_found_before_anybody_is_judged(desk: Treasury) -> None:
    with pytest.raises(NotFoundError):
        desk.open("nobody")


def test_a_proof_holds_for_the_policy_it_was_made_under(desk: Treasury) -> None:
    boxes = (parse_box("memo.send"),)
    proof = openers.prove(desk.house, "report-bot", "pay", boxes)
    assert proof.refused is None
    desk.activate(policy(openers=[{"uid": [OTHER]}]))
    assert openers.holds(desk.house, proof, "report-bot", "pay", boxes).refused is not None


def test_an_exchange_takes_an_opener_as_well_and_spends_nothing_without(tmp_path: Path) -> None:
    home, token = Exchange(tmp_path), fresh()
    for scope, code in (
        ({"uid": [ME]}, "opener_not_listed"),
        ({"uid": [os.geteuid()], "scope": ["x"]}, "scope_exceeds_opener"),
    ):
        activate(home.house, [("p", json.dumps({"nhictl_policy": 1, "openers": [scope]}).encode())])
        refused = home.refused(token)
        assert (refused.reason, refused.recorded) == (code, True)
        assert records(home.house)[-1]["op"] == "exchange"
        told = home.explained(token)
        assert told["would"] == "refuse"
        assert {check["reason"] for check in told["checks"] if not check["ok"]} == {code}
    activate(home.house, [("p", json.dumps({"nhictl_policy": 1, "openers": [{"uid": [os.geteuid()]}]}).encode())])
    assert home.explained(token)["would"] == "exchange"
    home.good(token)
    home.house.close()
