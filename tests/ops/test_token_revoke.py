"""Revocation: what each selector ends, what it leaves, what it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nhictl.errors import InputError, NhictlError, NotFoundError
from nhictl.ops.change_agent import change
from nhictl.ops.end_task import end_task
from nhictl.ops.house import House
from nhictl.ops.issue_token import Issued
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.ops.verify_token import consume, verify
from tests.harness import Clock
from tests.ops.token_home import Authority, add_agent, add_task, add_token, question, records


def reason(house: House, token: Issued) -> str:
    """What the token is worth."""
    return verify(house, question(token.token)).reason


class Lot:
    """Tokens of two tasks of one agent and of another agent."""

    def __init__(self, house: House) -> None:
        add_agent(house, "third-bot")
        self.tasks = [add_task(house), add_task(house), add_task(house, "third-bot")]
        self.tokens = [add_token(house, task) for task in self.tasks for _ in range(2)]

    def reasons(self, house: House) -> str:
        """One letter for each token: v(alid) or r(evoked)."""
        return "".join({"valid": "v", "token_revoked": "r"}[reason(house, token)] for token in self.tokens)


ENDS: list[tuple[str, Any, str, int]] = [
    ("jti", lambda lot: {"jti": lot.tokens[1].jti}, "vrvvvv", 1),
    ("token", lambda lot: {"token": lot.tokens[2].token.encode()}, "vvrvvv", 1),
    ("token and a line end", lambda lot: {"token": lot.tokens[2].token.encode() + b"\n"}, "vvrvvv", 1),
    (
        "token, signature cut",
        lambda lot: {"token": lot.tokens[2].token.rpartition(".")[0].encode() + b".AA"},
        "vvrvvv",
        1,
    ),
    ("task", lambda lot: {"task": lot.tasks[0]}, "rrvvvv", 2),
    ("agent", lambda _: {"agent": "third-bot"}, "vvvvrr", 2),
    ("agent by SPIFFE ID", lambda _: {"agent": "spiffe://example.org/agent/third-bot"}, "vvvvrr", 2),
]


@pytest.mark.parametrize(("select", "after", "count"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
def test_what_a_selector_ends(home: House, select: Any, after: str, count: int) -> None:
    lot = Lot(home)
    selector = Selector(**select(lot))
    assert lot.reasons(home) == "vvvvvv"
    before = len(records(home))
    dry, no_head = revoke(home, selector, None, dry_run=True)
    assert (lot.reasons(home), len(records(home)), no_head) == ("vvvvvv", before, None)
    found, head = revoke(home, selector, "incident")
    assert (lot.reasons(home), found.total) == (after, count)
    assert sorted(found.tokens) == sorted(lot.tokens[at].jti for at, mark in enumerate(after) if mark == "r")
    assert dry == found
    assert head is not None
    assert head.size == before + 1 == len(records(home)), "one record, however many tokens"
    last = records(home)[-1]
    assert (last["type"], last["ext"]["count"]) == ("token.revoked", count)
    live = [consume(home, question(token.token))[0].reason for token in lot.tokens]
    assert "".join("v" if word == "valid" else "r" for word in live) == after
    with pytest.raises(NotFoundError) as caught:
        revoke(home, selector, None)
    assert (caught.value.exit, caught.value.code) == (4, "nothing_matched")


@pytest.mark.parametrize("by", ["task", "agent"])
def test_tokens_issued_after_a_cut_off_are_good(authority: Authority, home: House, by: str) -> None:
    old = add_token(home, authority.task)
    selector = Selector(task=authority.task) if by == "task" else Selector(agent="report-bot")
    revoke(home, selector, None)
    new = add_token(home, authority.task)
    assert (reason(home, old), reason(home, new)) == ("token_revoked", "valid")
    revoke(home, selector, None)
    newest = add_token(home, authority.task)
    assert [reason(home, t) for t in (old, new, newest)] == ["token_revoked", "token_revoked", "valid"]


def test_a_task_and_an_agent_of_one_number_are_two_things(authority: Authority, home: House) -> None:
    """Cut-offs of both kinds lie in one table, by row ids that overlap."""
    ids = home.db.execute("SELECT (SELECT id FROM agent WHERE name = 'other-bot'), id FROM task WHERE name = ?",
                          (authority.other_task,)).fetchone()  # fmt: skip
    assert ids == (2, 2)
    mine, foreign = add_token(home, authority.other_task), add_token(home, authority.foreign_task)
    revoke(home, Selector(agent="other-bot"), None)
    assert (reason(home, mine), reason(home, foreign)) == ("valid", "token_revoked")
    foreign = add_token(home, authority.foreign_task)
    revoke(home, Selector(task=authority.other_task), None)
    assert (reason(home, mine), reason(home, foreign)) == ("token_revoked", "valid")


def test_ends_that_are_no_revocation(authority: Authority, home: House) -> None:
    token = add_token(home, authority.task)
    change(home, "report-bot", "suspend", None)
    assert reason(home, token) == "agent_suspended"
    change(home, "report-bot", "resume", None)
    assert reason(home, token) == "valid"
    change(home, "report-bot", "retire", None)
    assert reason(home, token) == "agent_retired"
    foreign = add_token(home, authority.foreign_task)
    end_task(home, authority.foreign_task, "killed", None)
    assert reason(home, foreign) == "task_killed"


def test_a_token_revoked_by_itself_stays_so_when_its_task_ends(authority: Authority, home: House) -> None:
    token, other = (add_token(home, authority.task) for _ in range(2))
    revoke(home, Selector(jti=token.jti), None)
    end_task(home, authority.task, "closed", None)
    assert (reason(home, token), reason(home, other)) == ("token_revoked", "task_closed")


NOTHING: list[tuple[str, dict[str, Any], type[NhictlError], str]] = [
    ("unknown jti", {"jti": "A" * 22}, NotFoundError, "token_unknown"),
    ("jti that is none", {"jti": "no base64url!"}, NotFoundError, "token_unknown"),
    ("empty jti", {"jti": ""}, NotFoundError, "token_unknown"),
    ("unknown task", {"task": "t-0000000000000000"}, NotFoundError, "task_unknown"),
    ("unknown agent", {"agent": "nobody"}, NotFoundError, "agent_unknown"),
    ("no token", {"token": b"abc"}, InputError, "token_bad_segments"),
    ("empty token", {"token": b""}, InputError, "token_empty"),
    ("no JSON", {"token": b"AAAA.AAAA.AAAA"}, InputError, "claims_bad_json"),
    ("no jti", {"token": b"e30.e30.AAAA"}, InputError, "claim_missing:jti"),
    ("a list", {"token": b"e30.W10.AAAA"}, InputError, "claim_missing:jti"),
]


@pytest.mark.parametrize(("given", "error", "code"), [row[1:] for row in NOTHING], ids=[row[0] for row in NOTHING])
def test_what_matches_nothing(home: House, given: dict[str, Any], error: type[NhictlError], code: str) -> None:
    before = records(home)
    for dry_run in (True, False):
        with pytest.raises(error) as caught:
            revoke(home, Selector(**given), None, dry_run=dry_run)
        assert caught.value.code == code
    assert records(home) == before


def test_many_tokens_end_with_one_record(home: House) -> None:
    task = add_task(home, max_tokens=1500)
    made = [add_token(home, task) for _ in range(1005)]
    before = len(records(home))
    found, _ = revoke(home, Selector(task=task), None)
    assert (found.total, len(records(home))) == (1005, before + 1)
    assert found.tokens == [token.jti for token in made[:1000]]
    assert reason(home, made[-1]) == "token_revoked"


def test_other_connections_see_it_at_their_next_call(tmp_path: Path) -> None:
    """Also with a read cursor open beside them: no check keeps an old view of the store."""
    authority = Authority(tmp_path / "home")
    verifier = House(authority.house.home, authority.house.database, clock=authority.clock)
    reader = House(authority.house.home, authority.house.database, clock=authority.clock)
    cursor = reader.db.execute("SELECT seq FROM log")
    assert cursor.fetchone() == (0,)
    assert reason(verifier, authority.token) == "valid"
    revoke(authority.house, Selector(jti=authority.token.jti), None)
    assert reason(verifier, authority.token) == "token_revoked"
    assert len(cursor.fetchall()) == len(records(authority.house)) - 2, "the reader's own view stands"
    for house in (verifier, reader, authority.house):
        house.close()


def test_an_open_cursor_on_the_same_connection_does_not_hide_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "home")
    verifier = House(authority.house.home, authority.house.database, clock=authority.clock)
    cursor = verifier.db.execute("SELECT seq FROM log")
    cursor.fetchone()
    revoke(authority.house, Selector(jti=authority.token.jti), None)
    try:
        assert reason(verifier, authority.token) == "token_revoked"
    finally:
        cursor.close()
        verifier.close()
        authority.house.close()


@pytest.mark.parametrize("by", ["task", "agent"])
def test_a_token_in_its_leeway_can_be_cut_off(authority: Authority, home: House, by: str) -> None:
    task = add_task(home)
    token = add_token(home, task)
    clock = home.clock
    assert isinstance(clock, Clock)
    clock.advance(310)
    assert reason(home, token) == "valid"
    revoke(home, Selector(task=task) if by == "task" else Selector(agent="report-bot"), None)
    assert reason(home, token) == "token_revoked"


def test_a_live_check_is_about_now(authority: Authority, home: House) -> None:
    token = add_token(home, authority.task)
    clock = home.clock
    assert isinstance(clock, Clock)
    then = clock.now_us
    clock.advance(10)
    revoke(home, Selector(jti=token.jti), None)
    try:
        verdict, _ = consume(home, question(token.token, at_us=then))
    except InputError:
        return  # a refusal to ask so would do as well
    assert verdict.reason == "token_revoked"
