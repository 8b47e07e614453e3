"""Limits: what counts, for whom, over how long; and counters that a naive recount agrees with."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.policy.compiled import LIVE, Policy
from nhictl.core.policy.cost import add
from nhictl.core.policy.counters import Result, Tally
from nhictl.core.policy.decide import Decision, decide
from nhictl.core.policy.limits import Charge, Counter, Used
from nhictl.core.policy.request import Request
from tests.core.policy.policy_help import CATALOGUE, MONDAY_NOON_US, make_agent, make_policy

HOUR_US = 3_600_000_000
COST = {"amount": "args.amount", "currency": "args.currency"}
PRICED: dict[str, Any] = {**CATALOGUE, "pay.send": {**CATALOGUE["pay.send"], "cost": COST}}


def limited(*limits: dict[str, Any], rules: list[dict[str, Any]] | None = None, **parts: Any) -> Policy:
    numbered = [{"id": f"L{number}", "per": "task", **one} for number, one in enumerate(limits)]
    made = make_policy(rules or [{}], **{"tools": PRICED, "limits": numbered, **parts})
    assert made.form["nhictl_compiled_policy"] == LIVE
    return Policy.from_json(made.to_json())


class Desk:
    """Calls by one policy, one after another: what is allowed is reserved."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.tally = Tally()
        self.now_us = MONDAY_NOON_US
        self.calls = 0

    def ask(self, amount: Any = 10, **parts: Any) -> Decision:
        agent = make_agent(name=parts.pop("agent", "bot"))
        task = {"id": "t-1", "principal": None, "instance": "one", **parts.pop("task", {})}
        args = {"amount": amount, "currency": "EUR", **parts.pop("args", {})}
        tool = parts.pop("tool", "pay.send")
        if tool == "crm.read":
            args, parts = {"query": "q"}, {"resource": "s3://crm/a", **parts}
        request = Request(agent.name, tool, args, now_us=self.now_us, task=task, **parts)
        return decide(self.policy, agent, request, counters=self.tally)

    def call(self, amount: Any = 10, **parts: Any) -> str:
        made = self.ask(amount, **parts)
        if made.allowed:
            self.calls += 1
            self.tally.reserve(self.calls, made.charges, self.now_us)
        return made.reason


def outcomes(desk: Desk, *amounts: Any) -> list[bool]:
    return [desk.call(amount) == "permitted" for amount in amounts]


def test_calls_up_to_the_number_and_none_beyond() -> None:
    desk = Desk(limited({"calls": 3}))
    assert outcomes(desk, 1, 1, 1, 1) == [True, True, True, False]
    told = desk.ask().to_json()
    assert {key: told[key] for key in ("reason", "rules", "limit", "counts", "used", "max", "resets")} == {
        "reason": "limit_exceeded", "rules": ["L0"], "limit": "L0", "counts": "calls", "used": 3, "max": 3, "resets": None,
    }  # fmt: skip


def test_money_is_exact_and_may_reach_the_maximum() -> None:
    desk = Desk(limited({"spend": {"unit": "EUR", "max": 0.3}}))
    assert outcomes(desk, 0.1, 0.1, 0.1, 0, 0.000000000000000000001) == [True, True, True, True, False]
    huge = Desk(limited({"spend": {"unit": "EUR", "max": 10**39}}))
    assert outcomes(huge, 10**39 - 1, Decimal("0.9999999999999999999999999999999999999999"), 0.1) == [True, True, False]


@pytest.mark.parametrize("amount", [-1, -0.01, Decimal("-1e-40")])
def test_a_negative_cost_is_no_request(amount: Any) -> None:
    desk = Desk(limited({"calls": 3}))
    assert desk.ask(amount).to_json()["field"] == "args.amount"
    assert desk.call(amount) == "invalid_request"
    assert Desk(make_policy([{}], tools=PRICED)).call(amount) == "invalid_request"  # also where no limit counts it


def test_another_currency_does_not_slip_past() -> None:
    desk = Desk(limited({"spend": {"unit": "EUR", "max": 100}}))
    assert desk.call(1, args={"currency": "USD"}) == "limit_exceeded"
    assert desk.call(1, args={"currency": "eur"}) == "limit_exceeded"  # a string is exact unless declared otherwise
    apart: list[dict[str, Any]] = [
        {"match": {"tools": ["pay.*"]}, "when": {"args.currency": {"eq": unit}}, "spend": {"unit": unit, "max": 10}}
        for unit in ("EUR", "USD")
    ]
    desk = Desk(limited(*apart))
    assert [desk.call(10, args={"currency": unit}) for unit in ("EUR", "USD", "EUR")] == [
        "permitted", "permitted", "limit_exceeded",
    ]  # fmt: skip
    assert (
        Desk(limited({"match": {"tools": ["*"]}, "spend": {"unit": "EUR", "max": 0}})).call(tool="crm.read")
        == "permitted"
    )


def test_every_limit_has_to_hold_and_all_that_do_not_are_named() -> None:
    desk = Desk(
        limited({"calls": 1}, {"calls": 2}, {"calls": 1, "per": "agent"}, {"calls": 9, "match": {"tools": ["crm.*"]}})
    )
    assert desk.call() == "permitted"
    assert desk.ask().rules == ["L0", "L2"]
    assert desk.call(tool="crm.read") == "limit_exceeded"


def test_what_is_unknown_counts() -> None:
    desk = Desk(limited({"calls": 1, "match": {"tools": ["pay.*"]}, "when": {"args.memo": {"eq": "x"}}}))
    assert desk.call(args={"memo": "y"}) == "permitted"
    assert desk.call(args={"memo": "y"}) == "permitted"
    assert [desk.call(), desk.call()] == ["permitted", "limit_exceeded"]  # no memo: it may be x
    desk = Desk(limited({"calls": 0, "match": {"intents": ["pay"]}}))
    assert (desk.call(intent="other"), desk.call()) == ("permitted", "limit_exceeded")


@pytest.mark.parametrize(
    ("per", "other"),
    [
        ("task", {"task": {"id": "t-2"}}),
        ("agent", {"agent": "other"}),
        ("instance", {"task": {"instance": "two"}}),
        ("instance", {"agent": "other"}),
        ("principal", {"task": {"principal": "p@corp.example"}}),
    ],
)
def test_for_whom(per: str, other: dict[str, Any]) -> None:
    desk = Desk(limited({"calls": 1, "per": per}))
    assert [desk.call(), desk.call(), desk.call(**other), desk.call(**other)] == [
        "permitted", "limit_exceeded", "permitted", "limit_exceeded",
    ]  # fmt: skip
    everybody = Desk(limited({"calls": 1, "per": "all"}))
    assert [everybody.call(), everybody.call(**other)] == ["permitted", "limit_exceeded"]


def test_a_window_slides_and_says_when_there_is_room() -> None:
    desk = Desk(limited({"calls": 2, "window": "1h"}))
    assert desk.call() == "permitted"
    desk.now_us += HOUR_US // 2
    assert [desk.call(), desk.call()] == ["permitted", "limit_exceeded"]
    exceeded = desk.ask().exceeded
    assert exceeded is not None
    assert exceeded.resets_us == MONDAY_NOON_US + HOUR_US
    desk.now_us = exceeded.resets_us - 1
    assert desk.call() == "limit_exceeded"
    desk.now_us += 1
    assert [desk.call(), desk.call()] == ["permitted", "limit_exceeded"]
    alone = Desk(limited({"spend": {"unit": "EUR", "max": 5}, "window": "1h"})).ask(6).exceeded
    assert alone is not None
    assert alone.resets_us is None  # it never fits


def test_bytes_stop_the_next_call() -> None:
    desk = Desk(limited({"bytes_out": 100}))
    assert [desk.call(), desk.call()] == ["permitted", "permitted"]  # in flight, nobody knows yet
    assert desk.tally.settle(1, Result(bytes_out=99), desk.now_us)
    assert desk.call() == "permitted"
    assert desk.tally.settle(2, Result(bytes_out=1), desk.now_us)
    assert desk.call() == "limit_exceeded"
    assert not desk.tally.settle(2, Result(bytes_out=5), desk.now_us)  # once


def test_settling_gives_back_only_what_was_not_done() -> None:
    desk = Desk(limited({"calls": 2, "spend": {"unit": "EUR", "max": 100}}))
    assert outcomes(desk, 60, 60) == [True, False]
    assert desk.tally.settle(1, Result(executed=False), desk.now_us)
    assert outcomes(desk, 60) == [True]
    assert desk.tally.settle(2, Result(spend=10), desk.now_us)  # it cost less
    assert outcomes(desk, 90) == [True]
    assert desk.tally.settle(3, Result(spend=95), desk.now_us)  # and this more
    assert desk.ask(0).to_json()["used"] == 2


def test_what_is_given_back_makes_no_room_in_a_later_window() -> None:
    desk = Desk(limited({"calls": 1, "window": "1h"}))
    assert desk.call() == "permitted"
    desk.now_us += HOUR_US
    assert desk.call() == "permitted"
    assert desk.tally.settle(1, Result(executed=False), desk.now_us)  # of the window before
    assert desk.call() == "limit_exceeded"


def test_the_order_of_files_and_limits_changes_nothing() -> None:
    one, two = {"id": "A", "per": "task", "calls": 1}, {"id": "B", "per": "agent", "calls": 2, "window": "90m"}
    assert limited(one, two).digest == limited(two, one).digest
    assert limited(one, two).digest != limited(one, {**two, "window": "91m"}).digest
    assert limited(one, {**two, "window": "60m"}).digest == limited(one, {**two, "window": "1h"}).digest


def test_an_obligation_that_cannot_be_performed_takes_nothing() -> None:
    policy = limited({"calls": 1}, rules=[{"obligations": [{"type": "log_prompt"}]}])
    agent, request = make_agent(), Request("bot", "pay.send", {"amount": 1, "currency": "EUR"}, now_us=MONDAY_NOON_US)
    made = decide(policy, agent, request, frozenset())
    assert (made.reason, list(made.charges)) == ("not_permitted", [])
    assert len(decide(policy, agent, request, frozenset({"log_prompt"})).charges) == 1


AMOUNTS = st.one_of(st.integers(0, 9), st.decimals(0, 9, places=3, allow_nan=False))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.integers(0, 1), AMOUNTS, st.integers(0, 40)),
        st.tuples(st.just("settle"), st.integers(0, 12), st.one_of(st.none(), AMOUNTS), st.integers(0, 40)),
    ),
    max_size=24,
)


@settings(max_examples=80, deadline=None)
@given(STEPS, st.integers(1, 60))
def test_counters_agree_with_a_recount(steps: list[Any], window: int) -> None:
    """Against every entry kept and added up anew: what the window holds of calls, and what was given back of those."""
    tally, now = Tally(), 0
    entries: list[list[Any]] = []
    open_calls: dict[int, list[Any]] = {}
    counters = [Counter("L", "task", key, "EUR") for key in "ab"]
    for number, (verb, which, amount, pause) in enumerate(steps):
        now += pause
        if verb == "reserve":
            tally.reserve(number, [Charge(counters[which], amount)], now)
            entries.append([counters[which], now, 1, amount, 0])
            open_calls[number] = entries[-1]
        elif open_calls and which % 3 == 0:
            ref, entry = open_calls.popitem()
            result = Result(executed=which % 2 == 0, bytes_out=which, spend=amount)
            assert tally.settle(ref, result, now)
            entries.append([entry[0], now, 0, 0, which])
            if not result.executed:
                entry[2], entry[3] = 0, 0
            elif amount is not None and amount > entry[3]:
                entries.append([entry[0], now, 0, add(amount, -entry[3]), 0])
            elif amount is not None:
                entry[3] = amount
        for counter in counters:
            for since in (None, now - window):
                held = [e for e in entries if e[0] == counter and (since is None or e[1] > since)]
                spend = sum((Decimal(e[3]) for e in held), Decimal(0))
                wanted = Used(sum(e[2] for e in held), spend, sum(e[4] for e in held))
                assert tally.used(counter, since) == wanted
