"""Use-limited tokens and call budgets: taken last, taken only when all else allows, and always recorded."""

from __future__ import annotations

from typing import Any

import pytest

from nhictl.errors import InputError
from nhictl.ops.house import House
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import consume, verify
from tests.ops.token_home import AUDIENCE, Authority, add_task, add_token, question, records


def left(house: House) -> Any:
    """The uses left of the one use-limited token."""
    return house.db.execute("SELECT uses FROM token WHERE uses IS NOT NULL").fetchone()[0]


@pytest.mark.parametrize("uses", [1, 2, 5])
@pytest.mark.parametrize("tool", ["reports.read", None])
def test_so_often_and_no_more(authority: Authority, home: House, uses: int, tool: str | None) -> None:
    token = add_token(home, authority.task, uses=uses)
    asked = question(token.token, tool=tool)
    for before in range(uses, 0, -1):
        plain = verify(home, asked)
        assert (plain.step, plain.reason, plain.exit) == (18, "use_required", 3)
        assert left(home) == before
        verdict, _ = consume(home, asked)
        assert (verdict.reason, verdict.exit) == ("valid", 0)
        assert left(home) == before - 1
    for verdict in (consume(home, asked)[0], verify(home, asked)):
        assert (verdict.step, verdict.reason, verdict.exit) == (18, "uses_exhausted", 1)
    assert left(home) == 0
    assert [entry["type"] for entry in records(home)[-uses - 1 :]] == ["token.used"] * uses + ["token.denied"]


DENIED: list[tuple[str, dict[str, Any], str]] = [
    ("another audience", {"audience": "https://other.example"}, "aud_mismatch"),
    ("out of scope", {"args": {"limit": 1000}}, "authz_insufficient"),
    ("not permitted", {"tool": "reports.audit", "args": {}, "resource": None}, "not_permitted"),
    ("forbidden", {"tool": "reports.purge", "args": {}, "resource": None}, "forbidden"),
    ("not declared", {"tool": "reports.undeclared", "args": {}, "resource": None}, "invalid_request"),
]


@pytest.mark.parametrize(("asked", "reason"), [row[1:] for row in DENIED], ids=[row[0] for row in DENIED])
def test_what_is_denied_takes_no_use_and_no_call(
    authority: Authority, home: House, asked: dict[str, Any], reason: str
) -> None:
    token = add_token(home, authority.task, uses=1)
    calls = "SELECT calls FROM task WHERE name = ?"
    for _ in range(3):
        assert consume(home, question(token.token, **asked))[0].reason == reason
    assert left(home) == 1
    assert home.db.execute(calls, (authority.task,)).fetchone() == (0,)
    assert consume(home, question(token.token))[0].valid, "the use is still there"
    assert home.db.execute(calls, (authority.task,)).fetchone() == (1,)


def test_a_revoked_token_takes_no_use(authority: Authority, home: House) -> None:
    token = add_token(home, authority.task, uses=1)
    revoke(home, Selector(jti=token.jti), None)
    assert consume(home, question(token.token))[0].reason == "token_revoked"
    assert left(home) == 1


def test_the_calls_of_a_task(home: House) -> None:
    """Two tokens of one task share its calls; a question without a call costs none."""
    task = add_task(home, max_calls=3)
    tokens = [add_token(home, task) for _ in range(2)]
    for number in range(3):
        assert consume(home, question(tokens[number % 2].token))[0].valid
        assert consume(home, question(tokens[0].token, tool=None))[0].valid
    for token in tokens:
        for verdict in (verify(home, question(token.token)), consume(home, question(token.token))[0]):
            assert (verdict.step, verdict.reason) == (20, "limit_exceeded")
        assert verify(home, question(token.token, tool=None)).valid
    assert home.db.execute("SELECT calls FROM task WHERE name = ?", (task,)).fetchone() == (3,)


def test_without_limit_there_is_none(authority: Authority, home: House) -> None:
    token = add_token(home, authority.task)
    assert all(consume(home, question(token.token))[0].valid for _ in range(5))
    assert verify(home, question(token.token)).valid


GARBAGE = [b"", b"\n", b"x", b"\xff" * 40, b"a.b.c", b"{}", b"A" * 20000, "é".encode(), b"\0", b"..", b"e30.e30."]


@pytest.mark.parametrize("garbage", GARBAGE, ids=[str(g[:8]) for g in GARBAGE])
def test_garbage_is_recorded_too(home: House, garbage: bytes) -> None:
    before = len(records(home))
    verdict, head = consume(home, Question(garbage, AUDIENCE))
    assert not verdict.valid
    assert head.size == len(records(home)) == before + 1
    last = records(home)[-1]
    assert (last["type"], last["dec"]["reason"]) == ("token.denied", verdict.reason)
    assert {"jti", "task", "agent", "inst"}.isdisjoint(last), "nothing that was not proved is told"


def test_what_a_forged_token_claims_is_not_told(authority: Authority, home: House) -> None:
    """Without the signature its jti, task and agent are anybody's invention."""
    forged = authority.token.token[:-4] + "AAAA"
    assert consume(home, question(forged))[0].reason in ("signature_invalid", "token_bad_base64")
    assert {"jti", "task", "agent", "inst"}.isdisjoint(records(home)[-1])


def test_plain_questions_write_nothing(authority: Authority, home: House) -> None:
    before = list(home.db.iterdump())
    verify(home, question(authority.token.token))
    verify(home, question(b"garbage"))
    verify(home, question(authority.token.token, args={"limit": 1000}))
    assert list(home.db.iterdump()) == before


@pytest.mark.parametrize(
    "odd",
    [{"audience": ""}, {"audience": "\ud800"}, {"audience": "x" * 70_000},
     {"tool": ""}, {"tool": "a\ud800"}, {"tool": "x" * 70_000},
     {"args": {"limit": float("nan")}}, {"args": {"\ud800": 1}}, {"resource": "\ud800"}],
    ids=["no audience", "audience no text", "audience long", "no tool", "tool no text", "tool long", "args no JSON",
         "args no text", "resource no text"],
)  # fmt: skip
def test_an_odd_question_is_answered_or_refused(authority: Authority, home: House, odd: dict[str, Any]) -> None:
    """It is recorded like every other, or it is the caller's fault (exit 2); never a bug of ours (exit 70)."""
    before = len(records(home))
    try:
        consume(home, question(authority.token.token, **odd))
    except InputError:
        assert len(records(home)) == before
    else:
        assert len(records(home)) == before + 1
