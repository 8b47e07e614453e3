"""Simulation over events: classes, causes, what our own records say of tasks and tokens, and what no policy decides."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import pytest

from nhictl.core.policy.change import change_of
from nhictl.core.policy.partial import Case, Judgement
from nhictl.core.policy.registry import Agent
from nhictl.core.policy.side import Side
from nhictl.core.policy.simulate import CLASSES, Row, Simulation
from nhictl.core.replay.event import Event
from tests.core.policy.policy_help import make_agent, make_policy

PAY: dict[str, Any] = {"amount": 10, "currency": "EUR"}
EVERYTHING = make_policy([{}])
NOTHING = make_policy([])
LOW = make_policy([{"match": {"tools": ["pay.send"]}, "when": {"args.amount": {"lte": 50}}}])
LESS_LOW = make_policy([{"match": {"tools": ["pay.send"]}, "when": {"args.amount": {"lte": 51}}}])
NO_PAY = make_policy([{}, {"effect": "forbid", "match": {"tools": ["pay.send"]}}])


def find(name: str, _seq: int | None) -> Agent | None:
    return make_agent() if name == "bot" else None


def call(tool: Any = "pay.send", args: Any = PAY, **more: Any) -> Event:
    given = {"run": "r", "agent": "bot", "n": 0, **more}
    seq, jti = given.pop("seq", None), given.pop("jti", None)
    event = Event(given.pop("type", "tool.called"), evidence="imported", tool=tool, args=args, **given)
    event.seq, event.jti = seq, jti
    return event


def run(old: Any, new: Any, *events: Event, assume: bool = False, together: bool = True) -> list[Row]:
    simulation = Simulation(None if old is None else Side(old), Side(new), find, assume=assume)
    batches = [list(events)] if together else [[event] for event in events]
    return [row for batch in batches for row in simulation.batch(batch)]


def test_every_pair_has_a_class() -> None:
    sides = ("allow", "deny", "unknown")
    found = {(a, b): change_of(a, b) for a in sides for b in sides}
    assert set(found.values()) == set(CLASSES) - {"error"}
    assert found["deny", "deny"] == found["allow", "allow"] == "unchanged"
    for (a, b), made in found.items():  # what reads the same backwards, with gained and revoked exchanged
        turned = made.replace("gained", "x").replace("revoked", "gained").replace("x", "revoked")
        assert found[b, a] == turned


@pytest.mark.parametrize(
    ("old", "new", "event", "expected"),
    [
        (NOTHING, EVERYTHING, call(), "gained"),
        (EVERYTHING, NOTHING, call(), "revoked"),
        (LOW, EVERYTHING, call(), "unchanged"),
        (EVERYTHING, LOW, call(args={**PAY, "amount": 51}), "revoked"),
        (EVERYTHING, LOW, call(args=None), "maybe_revoked"),
        (NOTHING, LOW, call(args=None), "maybe_gained"),
        (LOW, EVERYTHING, call(args=None), "maybe_gained"),
        (LOW, NOTHING, call(args=None), "maybe_revoked"),
        (LOW, LESS_LOW, call(args=None), "unknown"),
        (LOW, LOW, call(args=None), "unchanged"),
        (EVERYTHING, NO_PAY, call(args=None), "revoked"),
        (NOTHING, EVERYTHING, call(agent="nobody"), "unchanged"),
        (NOTHING, EVERYTHING, call(agent=None), "maybe_gained"),
        (NOTHING, EVERYTHING, call(tool="undeclared"), "unchanged"),
        (NOTHING, EVERYTHING, call(tool=None), "error"),
        (NOTHING, EVERYTHING, call(args=[1]), "error"),
        (None, EVERYTHING, call(), "unknown"),
        (None, NOTHING, call(decision={}), "unknown"),
        (None, EVERYTHING, call(decision={"effect": "deny", "reason": "forbidden"}), "gained"),
        (None, NOTHING, call(decision={"effect": "allow", "reason": "permitted"}), "revoked"),
        (None, LOW, call(args=None, decision={"effect": "allow", "reason": "permitted"}), "maybe_revoked"),
        (None, EVERYTHING, call(decision={"effect": "deny", "reason": "token_expired"}), "unchanged"),
        (None, EVERYTHING, call(decision={"effect": "deny", "reason": "limit_exceeded"}), "unchanged"),
        (None, EVERYTHING, call(decision={"effect": "deny", "reason": "limit_exceeded", "pdig": "sha256:0"}), "gained"),
    ],
)  # fmt: skip
def test_classes(old: Any, new: Any, event: Event, expected: str) -> None:
    (row,) = run(old, new, event)
    assert row.change == expected


def test_only_calls_are_rows() -> None:
    events = [call(type="message.user", tool=None), call(type="token.used", tool=None, n=None), call(type="opaque")]
    assert run(NOTHING, EVERYTHING, *events) == []
    (row,) = run(NOTHING, EVERYTHING, call(type="token.denied", n=None))
    assert row.to_json()["n"] is None


def test_a_row_says_where_who_and_why() -> None:
    source = {"file": "a.json", "sha256": "0" * 64, "message": 4}
    (row,) = run(EVERYTHING, NO_PAY, call(source=source, task="t", n=3))
    assert row.to_json() == {
        "run": "r", "n": 3, "tool": "pay.send", "old": "allow", "new": "deny", "change": "revoked", "reason": "forbidden",
        "rules": ["R1"], "agent": "bot", "task": "t", "time": None, "position": {"message": 4}, "old_reason": "permitted",
        "old_rules": ["R0"],
    }  # fmt: skip


def tree() -> list[Event]:
    """pay.send (a) → message (b) → crm.read (c) → pay.send (d); crm.read (e) beside it."""
    read = {"tool": "crm.read", "args": {"query": "q"}}
    return [
        call(span="a", parent="top", n=0),
        call(type="message", tool=None, span="b", parent="a"),
        call(**read, span="c", parent="b", n=1),
        call(span="d", parent="c", n=2),
        call(**read, span="e", parent="top", n=3),
        call(**read, span="a2", parent="a", n=4, run="another"),
    ]


@pytest.mark.parametrize("together", [True, False])
def test_what_lies_below_a_denied_call_is_prevented_by_it(together: bool) -> None:
    rows = {(row.event.run, row.event.span): row for row in run(EVERYTHING, NO_PAY, *tree(), together=together)}
    assert {key for key, row in rows.items() if row.prevented_by} == {("r", "c"), ("r", "d")}
    assert (rows["r", "c"].prevented_by or {})["span"] == "a"
    assert (rows["r", "d"].prevented_by or {})["span"] == "a"
    assert rows["r", "c"].change == "unchanged"
    assert all(row.prevented_by is None for row in run(NO_PAY, EVERYTHING, *tree(), together=together))


def test_a_cause_may_stand_after_what_it_caused_and_circles_end() -> None:
    rows = run(EVERYTHING, NO_PAY, *reversed(tree()))
    assert {row.event.span for row in rows if row.prevented_by} == {"c", "d"}
    read = {"tool": "crm.read", "args": {"query": "q"}}
    circle = [call(span="z"), *(call(**read, span=a, parent=b) for a, b in ("xy", "yx", "vv"))]
    assert all(row.prevented_by is None for row in run(EVERYTHING, NO_PAY, *circle))
    deep = [call(span="0")] + [call(**read, span=str(i), parent=str(i - 1)) for i in range(1, 5_000)]
    assert sum(row.prevented_by is not None for row in run(EVERYTHING, NO_PAY, *reversed(deep))) == 4_999


def test_undecided_calls_prevent_nothing() -> None:
    rows = run(EVERYTHING, LOW, call(args=None, span="a"), call("crm.read", {"query": "q"}, span="b", parent="a"))
    assert [row.prevented_by for row in rows] == [None, None]


def test_our_own_records_tell_intent_token_and_delegation() -> None:
    policy = make_policy(
        [{"match": {"intents": ["pay"]}, "when": {"token.ttl_s": {"lte": 300}, "task.delegation_depth": {"lte": 0}}}]
    )
    opened = call(type="task.opened", tool=None, task="T", seq=5, ext={"intent": "pay"})
    issued = call(
        type="token.issued", tool=None, task="T", jti="J", seq=6, time="2026-06-01T12:00:00.000000Z",
        ext={"exp": 1_780_315_200 + 300},
    )  # fmt: skip
    used = call(type="token.used", n=None, task="T", jti="J", seq=7, time="2026-06-01T12:00:01Z")
    (row,) = run(NOTHING, policy, opened, issued, used)
    assert (row.new, row.event.seq, row.to_json()["position"]) == ("allow", 7, {"seq": 7})
    (row,) = run(NOTHING, policy, opened, used)
    assert (row.new, row.missing) == ("unknown", ("token.ttl_s",))
    (row,) = run(NOTHING, policy, issued, used)
    assert (row.new, row.missing) == ("unknown", ("task.intent",))
    delegated = call(type="token.used", n=None, task="T", jti="J", seq=7, ext={"act": ["nobody"]})
    (row,) = run(NOTHING, EVERYTHING, opened, delegated)
    assert row.reason == "invalid_request", "whoever it was delegated through has to be allowed as well"


class Twice:
    """A counter that lets two calls pass."""

    def __init__(self) -> None:
        self.used = 0

    def admit(self, cases: Sequence[Case], judged: Judgement, ref: Hashable) -> Judgement:
        self.used += 1
        return judged if self.used <= 2 else Judgement("deny", "limit_exceeded", ["L"])

    def settle(self, ref: Hashable, *, executed: bool | None, bytes_out: int | None) -> None:
        pass


def test_counters_run_again_in_the_order_of_the_log_on_each_side_by_itself() -> None:
    simulation = Simulation(Side(LOW), Side(EVERYTHING, Twice()), find)
    amounts = [10, 99, 20, 30]
    rows = list(simulation.batch([call(args={**PAY, "amount": amount}) for amount in amounts]))
    assert [row.change for row in rows] == ["unchanged", "gained", "revoked", "revoked"]
    assert rows[2].rules == ["L"]


def test_a_masked_argument_is_not_what_was_called_with() -> None:
    masked = {"amount": 10, "currency": "[masked:named:abcdefghijkl]"}
    euros = make_policy([{"match": {"tools": ["pay.send"]}, "when": {"args.currency": {"eq": "EUR"}}}])
    own: dict[str, Any] = {"seq": 3, "task": "T", "args": masked}
    (row,) = run(NOTHING, euros, call(**own, ext={"masked": 1}))
    assert (row.new, row.missing) == ("unknown", ("args.currency",))
    (row,) = run(NOTHING, LOW, call(**own, ext={"masked": 1}))
    assert row.new == "allow", "what is masked was not asked for"
    (row,) = run(NOTHING, euros, call(args=masked))
    assert row.new == "deny", "another log says what it says"
    (row,) = run(NOTHING, LOW, call(**{**own, "args": {"[masked:k:v]": 1, **PAY}}, ext={"masked": 1}))
    assert row.new == "unknown"
