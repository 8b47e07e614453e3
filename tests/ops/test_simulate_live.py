"""What a home decided live, limits and approvals included, simulated again from its own log: nothing changes."""

from __future__ import annotations

from typing import Any

from nhictl.ops import simulate_policy
from nhictl.ops.guard_call import Call, Grip, begin, settle
from nhictl.ops.house import House
from tests.ops.token_home import Authority
from tests.ops.treasury import AUDIENCE, Treasury, policy, treasury

LIMITS: list[dict[str, Any]] = [
    {"id": "N", "match": {"tools": ["pay.*"]}, "per": "task", "calls": 8, "spend": {"unit": "EUR", "max": 2006}},
    {"id": "H", "match": {"tools": ["pay.*"]}, "per": "agent", "window": "10m", "calls": 3},
    {"id": "B", "match": {"tools": ["pay.*"]}, "per": "instance", "bytes_out": 1000},
]


def guarded(desk: Treasury, amount: int, bytes_out: int = 0, *, made: bool = True) -> str:
    grip = Grip("sdk", AUDIENCE, desk.token)
    answer = begin(desk.house, grip, Call("pay.send", {"amount": amount, "currency": "EUR"}))
    if answer.allowed:
        settle(desk.house, answer, "ok" if made else "error", made=made, bytes_out=bytes_out)
    return answer.reason


def simulated(house: House, new: dict[str, Any], *, recorded: bool) -> tuple[simulate_policy.Simulated, list[Any]]:
    import json

    files = [("new.yaml", json.dumps(new).encode())]
    found = simulate_policy.simulate(house, [], None, files, None, None, recorded=recorded, assume=False)
    return found, [row for _, row in found.rows()]


def test_the_log_of_a_home_simulates_as_it_was_decided(authority: Authority) -> None:
    with treasury(authority, limits=LIMITS) as desk:
        reasons = [desk.call(900)]
        desk.grant(desk.wanted(900))
        reasons += [desk.call(900), desk.call(900), guarded(desk, 400), guarded(desk, 300, made=False)]
        reasons += [guarded(desk, 200), guarded(desk, 100), guarded(desk, 1)]
        desk.clock.advance(660)
        reasons += [guarded(desk, 500, 999), guarded(desk, 5, 1), guarded(desk, 5)]
        assert reasons.count("permitted") + reasons.count("valid") >= 6
        assert {"approval_required", "limit_exceeded"} <= set(reasons)
        for recorded in (True, False):
            found, rows = simulated(desk.house, policy(limits=LIMITS), recorded=recorded)
            assert {row.change for row in rows} == {"unchanged"}, [(r.old, r.new, r.reason, r.missing) for r in rows]
            assert found.counts.total() == len(reasons) + 1
        tighter = [{**LIMITS[0], "calls": 2}, *LIMITS[1:]]
        _, rows = simulated(desk.house, policy(limits=tighter), recorded=True)
        assert [row.reason for row in rows if row.change == "revoked"].count("limit_exceeded") >= 3
        assert {row.change for row in rows} == {"unchanged", "revoked"}
        _, rows = simulated(desk.house, policy(), recorded=True)
        assert {row.change for row in rows} == {"unchanged", "gained"}
