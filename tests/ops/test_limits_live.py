"""Limits in the store: reserved inside the act, settled once, asked about at any moment, and never won twice."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter as Bag
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.policy.counters import Result, Tally
from nhictl.core.policy.limits import Charge, Counter
from nhictl.core.policy.types import exact
from nhictl.errors import ConflictError, InputError
from nhictl.ops import audit_log, limits
from nhictl.ops.act import Act, transact
from nhictl.ops.house import House
from tests.harness import ROOT
from tests.ops.token_home import Authority, records
from tests.ops.treasury import Treasury, treasury

LIMITS = [{"id": "L", "match": {"tools": ["pay.*"]}, "per": "task", "calls": 3, "spend": {"unit": "EUR", "max": 900}}]


def settle(house: House, call: int, result: Result) -> int:
    """What an enforcement point does: record the result, and settle in the same act."""

    def decide(act: Act) -> int:
        return limits.settle(act, call, result, act.record("tool.returned", ext={"call": call}))

    return transact(house, decide)[0]


def newest(house: House, kind: str) -> int:
    return max(number for number, record in enumerate(records(house)) if record["type"] == kind)


def test_only_what_is_allowed_counts_and_the_record_says_so(authority: Authority) -> None:
    with treasury(authority, limits=LIMITS) as desk:
        assert desk.call(901) == "approval_required"
        assert [desk.call(400) for _ in range(3)] == ["valid", "valid", "limit_exceeded"]
        assert desk.call(100) == "valid"
        verdict = desk.live(0)
        assert verdict.decision is not None
        assert {k: verdict.decision[k] for k in ("limit", "counts", "used", "max")} == {
            "limit": "L", "counts": "calls", "used": 3, "max": 3,
        }  # fmt: skip
        used, denied = (records(desk.house)[newest(desk.house, f"token.{kind}")] for kind in ("used", "denied"))
        assert used["ext"]["limits"] == ["L"]
        assert (denied["dec"]["reason"], denied["ext"]["limit"]) == ("limit_exceeded", "L")
        assert desk.call(1, desk.issue(desk.open())) == "valid"  # another task


def test_a_dry_run_reads_the_same_counters_and_takes_nothing(authority: Authority) -> None:
    with treasury(authority, limits=LIMITS) as desk:
        for wanted in ("permitted", "permitted", "permitted", "limit_exceeded"):
            assert [desk.dry(1), desk.dry(1)] == [wanted, wanted]
            assert desk.plain(1).reason == ("valid" if wanted == "permitted" else wanted)
            assert desk.call(1) == ("valid" if wanted == "permitted" else wanted)


def test_earlier_moments_have_their_own_counts(authority: Authority) -> None:
    with treasury(authority, limits=LIMITS) as desk:
        moments = []
        for _ in range(3):
            desk.clock.advance(10)
            moments.append(desk.clock())
            desk.clock.advance(10)
            assert desk.call(1) == "valid"
        assert desk.dry(1) == "limit_exceeded"
        assert [desk.dry(1, at_us=moment) for moment in moments] == ["permitted"] * 3
        assert [desk.dry(299, at_us=moment) for moment in moments] == ["permitted"] * 3
        assert desk.plain(1, at_us=moments[2]).reason == "valid"
        settle(desk.house, newest(desk.house, "token.used"), Result(executed=False))
        assert desk.dry(1) == "permitted"


def test_results_settle_a_call_once(authority: Authority) -> None:
    with treasury(authority, limits=LIMITS) as desk:
        assert desk.call(400) == "valid"
        first = newest(desk.house, "token.used")
        assert desk.call(400) == "valid"
        with pytest.raises(InputError):
            settle(desk.house, first, Result(bytes_out=-1))
        with pytest.raises(InputError):
            settle(desk.house, first, Result(spend=-1))
        before = len(records(desk.house))
        assert settle(desk.house, first, Result(spend=100)) == 1
        with pytest.raises(ConflictError):
            settle(desk.house, first, Result(executed=False))
        assert len(records(desk.house)) == before + 1
        assert [desk.call(401), desk.call(400)] == ["limit_exceeded", "valid"]
        assert settle(desk.house, 0, Result(executed=False)) == 0


def test_bytes_that_left_stop_the_next_call(authority: Authority) -> None:
    with treasury(authority, limits=[{"id": "B", "per": "agent", "window": "1h", "bytes_out": 100}]) as desk:
        assert desk.call(1) == "valid"
        settle(desk.house, newest(desk.house, "token.used"), Result(bytes_out=100))
        assert [desk.call(1), desk.dry(1)] == ["limit_exceeded"] * 2
        desk.clock.advance(3600)
        assert desk.call(1, desk.issue(desk.task)) == "valid"


def test_a_limit_that_changes_keeps_its_count_and_one_for_others_begins_anew(authority: Authority) -> None:
    with treasury(authority, limits=LIMITS) as desk:
        document = {"limits": [{**LIMITS[0], "calls": 1}]}
        assert desk.call(1) == "valid"
        from tests.ops.treasury import policy

        desk.activate(policy(**document))
        assert desk.call(1) == "limit_exceeded"
        desk.activate(policy(limits=[{**LIMITS[0], "calls": 1, "per": "agent"}]))
        assert [desk.call(1), desk.call(1)] == ["valid", "limit_exceeded"]


def test_no_principal_stands_in_the_counters(authority: Authority) -> None:
    with treasury(authority, limits=[{"id": "W", "per": "principal", "calls": 1}]) as desk:
        for _ in range(2):
            task = desk.open(principal="mira@corp.example")
            desk.call(1, desk.issue(task))
        assert desk.dry(1, task=task) == "limit_exceeded"
        rows = desk.house.db.execute("SELECT * FROM counter").fetchall()
        assert b"mira" not in repr(rows).encode()
        assert len(rows) == 1


@pytest.mark.parametrize("seed", range(4))
def test_the_store_agrees_with_the_counters_in_memory(authority: Authority, seed: int) -> None:
    rng = random.Random(seed)
    with treasury(authority) as desk:
        tally, stored = Tally(), limits.StoredCounters(desk.house)
        counters = [Counter("L", "agent", key, unit) for key in "ab" for unit in ("EUR", None)]
        waiting: list[int] = []
        for _ in range(40):
            desk.clock.advance(rng.choice([0, 0, 1, 30]))
            if waiting and rng.random() < 0.4:
                call = waiting.pop(rng.randrange(len(waiting)))
                spend = rng.choice([None, rng.randrange(20), exact(rng.randrange(2000) / 100)])
                result = Result(rng.random() < 0.7, rng.choice([0, 7]), spend)
                settle(desk.house, call, result)
                tally.settle(call, result, desk.clock())
            else:
                picked = rng.sample(counters, rng.randrange(1, 4))
                cents = exact(rng.randrange(999) / 100)
                charges = [Charge(c, rng.choice([0, 5, cents]) if c.unit else None) for c in picked]
                call = transact(desk.house, partial(_reserve, charges))[0]
                tally.reserve(call, charges, desk.clock())
                waiting.append(call)
            for counter in counters:
                for since in (None, *(desk.clock() - seconds * 1_000_000 for seconds in (0, 1, 45))):
                    assert stored.used(counter, since) == tally.used(counter, since)


def _reserve(charges: list[Charge], act: Act) -> int:
    limits.reserve(act, charges, act.seq)
    return act.record("token.used")


@pytest.mark.parametrize("seed", range(2))
def test_a_dry_run_is_never_more_lenient_than_the_live_path(authority: Authority, seed: int) -> None:
    rng = random.Random(seed)
    rules = [
        {"id": "A", "match": {"tools": ["pay.*"]}, "per": "task", "calls": 6, "spend": {"unit": "EUR", "max": 900}},
        {
            "id": "B",
            "match": {"classes": ["money"]},
            "per": "agent",
            "window": "1m",
            "spend": {"unit": "EUR", "max": 700},
        },
        {"id": "C", "when": {"args.amount": {"gt": 100}}, "match": {"tools": ["pay.*"]}, "per": "instance", "calls": 3},
        {"id": "D", "per": "all", "window": "10s", "calls": 4},
    ]
    with treasury(authority, limits=rules) as desk:
        tokens = {task: desk.issue(task) for task in (desk.task, desk.open(), desk.open("other-bot"))}
        seen = Bag[str]()
        for _ in range(60):
            desk.clock.advance(rng.choice([0, 1, 5]))
            task, amount = rng.choice(list(tokens)), rng.choice([0, 50, 250, 499, 501])
            asked, plain = desk.dry(amount, task), desk.plain(amount, tokens[task]).reason
            live = desk.call(amount, tokens[task])
            assert (asked.replace("permitted", "valid"), plain) == (live, live)
            seen[live] += 1
        assert min(seen["valid"], seen["limit_exceeded"], seen["approval_required"]) > 3, seen


RACE = """
import json, os, sys
from pathlib import Path
from nhictl.ops.house import DATABASE, House
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import consume
import nhictl.core.policy.compiled, nhictl.core.policy.gates, nhictl.ops.limits, nhictl.store.keys, pwd  # once for all
order = json.loads(sys.argv[1])
ready, go = os.pipe()
children, outs = [], []
for _ in range(order["processes"]):
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(go)
        os.read(ready, 1)
        home = Path(order["home"])
        house = House(home, home / DATABASE, clock=lambda: order["now_us"])
        house.lock_timeout = 100.0
        args = {"amount": 100, "currency": "EUR"}
        asked = Question(order["token"].encode(), order["audience"], "pay.send", args)
        os.write(into, consume(house, asked)[0].reason.encode())
        os._exit(0)
    os.close(into)
    children.append(pid)
    outs.append(out)
os.close(go)
print(json.dumps([os.read(out, 100).decode() for out in outs]))
for pid in children:
    os.waitpid(pid, 0)
"""


def test_sixty_four_processes_and_exactly_as_many_winners_as_there_is_room(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "home")
    from tests.ops.treasury import AUDIENCE, policy

    desk = Treasury(authority.house, authority.clock, policy(limits=[{**LIMITS[0], "calls": 50}]))
    authority.house.close()
    order: dict[str, Any] = {
        "home": str(tmp_path / "home"), "now_us": authority.clock(), "token": desk.token.decode(), "audience": AUDIENCE,
        "processes": 64,
    }  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", RACE, json.dumps(order)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert Bag(json.loads(done.stdout)) == {"valid": 9, "limit_exceeded": 55}  # 900 in hundreds
    assert desk.dry(1) == "limit_exceeded"
    assert audit_log.verify_home(authority.house, []).exit == 0
    authority.house.close()
