"""Times at their boundaries, with the leeway of 30 s, and questions about another moment."""

from __future__ import annotations

from itertools import product

import pytest

from nhictl.errors import UnsafeError
from nhictl.ops.activate_policy import activate
from nhictl.ops.change_agent import change
from nhictl.ops.end_task import end_task
from nhictl.ops.house import House
from nhictl.ops.issue_token import issue_token
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.ops.verify_token import consume, verify
from tests.harness import Clock
from tests.ops.token_home import AUDIENCE, TTL_S, Authority, add_agent, add_task, add_token, policy_file, question
from tests.ops.token_vectors_claims import times

SECOND = 1_000_000


BOUNDARIES = [
    ("at exp, within the leeway", times(0, 0), 0, "valid"),
    ("a microsecond before exp + leeway", times(-300, 0), 30 * SECOND - 1, "valid"),
    ("exactly at exp + leeway", times(-300, 0), 30 * SECOND, "token_expired"),
    ("nbf - leeway", times(0, 300, nbf=30), 0, "valid"),
    ("a microsecond before nbf - leeway", times(0, 300, nbf=31), SECOND - 1, "token_not_yet_valid"),
    ("just at nbf - leeway", times(0, 300, nbf=31), SECOND, "valid"),
    ("iat ahead by the leeway", times(30, 300, nbf=0), 0, "valid"),
    ("iat a microsecond too far ahead", times(31, 300, nbf=0), SECOND - 1, "iat_in_future"),
    ("iat ahead by just the leeway", times(31, 300, nbf=0), SECOND, "valid"),
    ("exp = iat", times(10, 10, nbf=0), 0, "valid"),
    ("exp a second before iat", times(11, 10, nbf=0), 0, "exp_before_iat"),
    ("an hour", times(0, 3600), 0, "valid"),
    ("an hour and a second", times(0, 3601), 0, "lifetime_too_long"),
]


@pytest.mark.parametrize(
    ("change_times", "later_us", "reason"), [b[1:] for b in BOUNDARIES], ids=[b[0] for b in BOUNDARIES]
)
def test_boundaries(authority: Authority, change_times: object, later_us: int, reason: str) -> None:
    assert callable(change_times)
    with authority.case() as case:
        assert case.clock.now_us % SECOND == 0
        change_times(case)
        case.clock.now_us += later_us
        verdict = case.verify()
        assert (verdict.reason, verdict.step) == (reason, 20 if reason == "valid" else 12)
        assert case.consume().reason == reason


def test_one_leeway_for_all_three_clocks_and_one_order(authority: Authority) -> None:
    """Every combination of times: the reason is that of the first of the five checks that fails."""

    def first_fault(iat: int, nbf: int, exp: int) -> str:
        checks = [
            (exp + 30 > 0, "token_expired"), (nbf <= 30, "token_not_yet_valid"), (iat <= 30, "iat_in_future"),
            (iat <= exp, "exp_before_iat"), (exp - iat <= 3600, "lifetime_too_long"),
        ]  # fmt: skip
        return next((reason for good, reason in checks if not good), "valid")

    with authority.case() as case:
        seen = set()
        for iat, nbf, exp in product((-3600, -31, 0, 29, 30, 31), (-5, 30, 31), (-31, -30, -29, 0, 28, 3570, 3631)):
            times(iat, exp, nbf)(case)
            case.claims["nbf"] = case.now_s + nbf
            verdict = case.verify()
            assert verdict.reason == first_fault(iat, nbf, exp), (iat, nbf, exp)
            seen.add(verdict.reason)
        assert len(seen) == 6


def test_a_token_ends_with_its_task_without_leeway(authority: Authority) -> None:
    with authority.copy() as house:
        clock = house.clock
        assert isinstance(clock, Clock)
        task = add_task(house, deadline_s=100)
        token = add_token(house, task)
        clock.advance(100 - 0.000001)
        assert verify(house, question(token.token)).valid
        clock.advance(0.000001)
        verdict = verify(house, question(token.token))
        assert (verdict.step, verdict.reason) == (19, "task_closed")
        clock.advance(30)
        assert verify(house, question(token.token)).reason == "token_expired"


def test_a_clock_that_went_back_judges_nothing_but_still_revokes(authority: Authority) -> None:
    with authority.case() as case:
        asked = case.question()
        case.clock.advance(-30)
        assert verify(case.house, asked).valid, "by the leeway it may"
        case.clock.advance(-0.000001)
        verdict = verify(case.house, asked)
        assert (verdict.step, verdict.reason, verdict.exit) == (12, "clock_regressed", 6)
        with pytest.raises(UnsafeError, match="behind the newest record"):
            consume(case.house, asked)
        with pytest.raises(UnsafeError, match="behind the newest record"):
            issue_token(case.house, case.authority.task, AUDIENCE)
        assert verify(case.house, asked._replace(at_us=case.authority.clock.now_us)).valid, "a question about a moment"
        revoke(case.house, Selector(jti=case.authority.token.jti), None)
        end_task(case.house, case.authority.task, "killed", None)
        assert verify(case.house, asked._replace(at_us=case.authority.clock.now_us)).reason == "token_revoked"


class History:
    """A house in which one thing happens every minute."""

    def __init__(self, house: House, clock: Clock) -> None:
        self.house = house
        self.clock = clock
        clock.advance(60)
        self.start = clock.now_us
        add_agent(house, "report-bot")
        clock.advance(1)
        activate(house, policy_file())
        self.task = add_task(house)
        clock.advance(9)
        self.token = add_token(house, self.task, ttl_s=3600)

    def at(self, second: float) -> tuple[int, str]:
        """What the token was worth at a second of the story."""
        verdict = verify(self.house, question(self.token.token, at_us=self.start + round(second * SECOND)))
        return verdict.step, verdict.reason


def test_at_sees_the_state_of_the_moment(house: House, clock: Clock) -> None:
    told = History(house, clock)
    clock.now_us = told.start + 60 * SECOND
    change(house, "report-bot", "suspend", None)
    clock.advance(60)
    change(house, "report-bot", "resume", None)
    clock.advance(60)
    revoke(house, Selector(jti=told.token.jti), None)
    clock.advance(60)
    end_task(house, told.task, "killed", None)
    clock.advance(60)
    change(house, "report-bot", "retire", None)
    before = house.db.execute("SELECT count(*) FROM log").fetchone()
    wanted = {
        -21: (12, "token_not_yet_valid"), -20: (14, "agent_unknown"), -0.000001: (14, "agent_unknown"),
        0: (17, "token_unknown"), 1: (17, "token_unknown"), 9.999999: (17, "token_unknown"), 10: (20, "valid"),
        59.999999: (20, "valid"), 60: (14, "agent_suspended"), 119.999999: (14, "agent_suspended"), 120: (20, "valid"),
        179.999999: (20, "valid"), 180: (17, "token_revoked"), 240: (17, "token_revoked"), 300: (14, "agent_retired"),
        3630.9: (14, "agent_retired"), 3631: (12, "token_expired"), -59: (12, "token_not_yet_valid"),
        -61: (9, "kid_unknown"), -10**10: (9, "kid_unknown"),
    }  # fmt: skip
    assert {second: told.at(second) for second in wanted} == wanted
    assert verify(house, question(told.token.token)).reason == "agent_retired"
    assert house.db.execute("SELECT count(*) FROM log").fetchone() == before, "questions leave no trace"


@pytest.mark.parametrize("outcome", ["closed", "killed"])
def test_at_sees_whether_the_task_was_open(house: House, clock: Clock, outcome: str) -> None:
    told = History(house, clock)
    clock.advance(50)
    end_task(house, told.task, outcome, None)
    assert told.at(59.999999) == (20, "valid")
    assert told.at(60) == (19, f"task_{outcome}")


@pytest.mark.parametrize("selector", ["task", "agent"])
def test_at_sees_cut_offs(house: House, clock: Clock, selector: str) -> None:
    told = History(house, clock)
    clock.advance(50)
    revoke(house, Selector(task=told.task) if selector == "task" else Selector(agent="report-bot"), None)
    assert told.at(59.999999) == (20, "valid")
    assert told.at(60) == (17, "token_revoked")
    assert told.at(10_000) == (12, "token_expired")


def test_at_sees_the_policy_of_the_moment(house: House, clock: Clock) -> None:
    told = History(house, clock)
    clock.advance(50)
    text = policy_file()[0][1].replace(b'"effect": "permit"', b'"effect": "forbid"')
    activate(house, [("policy.yaml", text)])
    assert (told.at(59.999999), told.at(60)) == ((20, "valid"), (20, "forbidden"))


def test_life_is_cut_at_the_expiry_of_the_agent(authority: Authority) -> None:
    with authority.copy() as house:
        clock = house.clock
        assert isinstance(clock, Clock)
        add_agent(house, "short-bot", expires_s=100)
        token = add_token(house, add_task(house, "short-bot"))
        clock.advance(99.999999)
        assert verify(house, question(token.token)).valid
        clock.advance(0.000001)
        verdict = verify(house, question(token.token))
        assert (verdict.step, verdict.reason, verdict.message) == (14, "agent_retired", "its registration has expired")


def test_life_without_a_fresh_token(authority: Authority) -> None:
    """What the issuer gave lasts exactly its time and the leeway, whenever in a second it was issued."""
    for offset in (0, 1, 499_999, 999_999):
        with authority.copy() as house:
            clock = house.clock
            assert isinstance(clock, Clock)
            clock.now_us += offset
            token = add_token(house, authority.task)
            clock.now_us += (TTL_S + 30) * SECOND - offset - 1
            assert verify(house, question(token.token)).valid
            clock.now_us += 1
            assert verify(house, question(token.token)).reason == "token_expired"


def test_at_sees_the_calls_of_the_moment(authority: Authority) -> None:
    with authority.copy() as house:
        clock = house.clock
        assert isinstance(clock, Clock)
        token = add_token(house, add_task(house, max_calls=2))
        moments = []
        for _ in range(2):
            moments.append(clock.now_us)
            clock.advance(1)
            assert consume(house, question(token.token))[0].valid
            clock.advance(1)
            assert consume(house, question(token.token, tool=None, args=None, resource=None))[0].valid, "no call"
            assert consume(house, question(token.token, tool="mail.send", args={}))[0].reason == "authz_insufficient"
        moments.append(clock.now_us)
        assert verify(house, question(token.token)).reason == "limit_exceeded"
        assert [verify(house, question(token.token, at_us=at)).reason for at in moments] == [
            "valid",
            "valid",
            "limit_exceeded",
        ]


def test_at_sees_the_uses_of_the_moment(authority: Authority) -> None:
    """While there was a use left, the answer was that only a live check can tell."""
    with authority.copy() as house:
        clock = house.clock
        assert isinstance(clock, Clock)
        token, then = add_token(house, authority.task, uses=1), clock.now_us
        clock.advance(10)
        consume(house, question(token.token))
        assert verify(house, question(token.token)).reason == "uses_exhausted"
        assert verify(house, question(token.token, at_us=then)).reason == "use_required"
