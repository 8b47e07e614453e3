"""What the authority itself lets pass is never found: its records put to every detection, with approvals, limits and expiry."""

from __future__ import annotations

from typing import Any

from nhictl.core.replay.detect.run import Watch
from nhictl.ops.change_agent import change
from nhictl.ops.contents import Contents
from nhictl.ops.end_task import end_task
from nhictl.ops.evidence import Policies, gather
from nhictl.ops.revoke_token import Selector, revoke
from tests.ops.token_home import Authority
from tests.ops.treasury import CISO, Treasury, treasury

LIMITS = [{"id": "L", "match": {"tools": ["pay.*"]}, "per": "agent", "window": "60s", "calls": 3}]
HONEST = {"EXCESS_GRANT", "TASK_DRIFT", "DENY_THEN_BYPASS"}
"""What honest work shows as well: unused grants, a denied wish, and another token after a denial."""


def found(desk: Treasury) -> set[str]:
    watch = Watch(Policies(desk.house))
    watch.take_all(gather(desk.house, (), None).records(Contents(desk.house).content))
    states = {one["id"]: one for one in watch.rules()}
    assert states["DECISION_MISMATCH"]["state"] == states["APPROVAL_GAP"]["state"] == "none", states
    return {one["id"] for one in watch.items()}


def test_approvals_limits_and_ends_that_the_authority_granted_are_no_findings(authority: Authority) -> None:
    with treasury(authority, limits=LIMITS) as desk:
        for amount in (400, 500):
            assert desk.call(amount) == "valid"
        desk.grant(desk.wanted())
        assert desk.call() == "valid"
        assert desk.call(10) == "limit_exceeded"
        desk.clock.advance(61)
        read: dict[str, Any] = {"tool": "vault.read", "args": {}, "resource": "s3://a/b"}
        request = desk.live(**read).decision
        assert request is not None
        desk.grant(request["access_request"]["id"], CISO)
        assert desk.call(**read) == "valid"
        assert desk.call("much") == "invalid_request"
        desk.clock.advance(1000)
        assert desk.call(1) == "token_expired"
        desk.token = desk.issue(desk.task)
        assert desk.call(1) == "valid"
        revoke(desk.house, Selector(agent="report-bot"), "enough")
        desk.clock.advance(100)
        assert desk.call(1) == "token_revoked"
        desk.token = desk.issue(desk.task)
        change(desk.house, "report-bot", "suspend", None)
        desk.clock.advance(100)
        assert desk.call(1) == "agent_suspended"
        change(desk.house, "report-bot", "resume", None)
        assert desk.call(1) == "valid"
        end_task(desk.house, desk.task, "closed", None)
        desk.clock.advance(100)
        assert desk.call(1) == "task_closed"
        assert found(desk) <= HONEST


def test_a_yes_by_the_user_who_asked_is_found(authority: Authority) -> None:
    with treasury(authority) as desk:
        memo: dict[str, Any] = {"tool": "memo.send", "args": {"text": "hello"}}
        decision = desk.live(**memo).decision
        assert decision is not None
        desk.grant(decision["access_request"]["id"], None)
        assert desk.call(**memo) == "valid"
        watch = Watch(Policies(desk.house))
        watch.take_all(gather(desk.house, (), None).records(Contents(desk.house).content))
        assert "APPROVAL_GAP" in {one["id"] for one in watch.items()}
