"""`token issue|verify|inspect|list|show` as pipelines hold on to them."""

from __future__ import annotations

import base64
import json
import os

import pytest

from tests.cli.cli_help import AUDIENCE, DEFAULTS, Program

READ = ("--tool", "reports.read", "--arg", "limit=10")


def body(token: str) -> dict[str, object]:
    part = token.split(".")[1]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def test_a_valid_token(governed: Program) -> None:
    task = governed.task()
    done = governed.verify(governed.token(task))
    said = done.json
    assert (done.code, done.err) == (0, "")
    assert (said["schema"], said["valid"], said["reason"]) == ("nhictl.verdict/v1", True, "valid")
    assert said["claims"]["txn"] == task
    assert said["status"] == {"source": "store", "age_s": 0}
    assert said["recorded"] is False
    assert "log" not in said
    assert "hypothetical" not in said


def test_verify_without_consume_writes_nothing(governed: Program) -> None:
    token = governed.token(governed.task())
    size = governed.size()
    for more in ((), READ, ("--tool", "payments.send"), ("--at", "+1h")):
        governed.verify(token, *more)
    assert governed.size() == size


def test_consume_records_what_it_answers(governed: Program) -> None:
    token = governed.token(governed.task())
    for more, code, kind in ((READ, 0, "token.used"), (("--tool", "payments.send"), 1, "token.denied")):
        size = governed.size()
        done = governed.verify(token, "--consume", *more)
        assert (done.code, done.json["recorded"]) == (code, True)
        assert done.json["log"]["size"] == governed.size() == size + 1
        event = governed("audit", "replay", "-o", "jsonl").lines[-1]
        assert (event["type"], event["tool"]) == (kind, more[1])
        assert event["decision"]["effect"] == ("deny" if code else "allow")


@pytest.mark.parametrize("given", [b"", b"\n", b"garbled", b"a.b.c", b"\xff\xfe", b"x" * 20000, b"e30.e30.e30"])
def test_a_garbled_token_is_a_verdict(governed: Program, given: bytes) -> None:
    for more in ((), ("--consume",)):
        done = governed("token", "verify", "--audience", AUDIENCE, "--json", *more, stdin=given)
        assert (done.code, done.err) == (1, "")
        assert done.json["valid"] is False
        assert "claims" not in done.json
        assert done.json["recorded"] is bool(more)


def test_another_audience(governed: Program) -> None:
    token = governed.token(governed.task())
    done = governed("token", "verify", "--audience", "https://other.example", "--json", stdin=token)
    assert (done.code, done.json["reason"], done.json["step"]) == (1, "aud_mismatch", 13)


def test_another_authority(governed: Program) -> None:
    token = governed.token(governed.task())
    elsewhere = ("--home", governed.folder / "elsewhere")
    assert governed(*elsewhere, "init", "--trust-domain", "example.org").code == 0
    done = governed(*elsewhere, "token", "verify", "--audience", AUDIENCE, "--json", stdin=token)
    assert (done.code, done.json["reason"]) == (1, "kid_unknown")


def test_the_token_may_be_in_a_file(governed: Program) -> None:
    path = governed.write("token", governed.token(governed.task()) + "\n")
    assert governed("token", "verify", "--audience", AUDIENCE, "--token-file", path).code == 0
    missing = governed("token", "verify", "--audience", AUDIENCE, "--token-file", "missing")
    assert (missing.code, missing.out) == (2, "")


def test_scope_then_policy(governed: Program) -> None:
    token = governed.token(governed.task(allow="reports.read?args.limit<=100"))
    wide = governed.token(governed.task("--allow", "payments.send"))
    cases = [
        (token, ("--tool", "reports.read", "--arg", "limit=100"), 0, "valid", 20),
        (token, ("--tool", "reports.read", "--arg", "limit=101"), 1, "authz_insufficient", 19),
        (token, ("--tool", "payments.send", "--arg", "amount=1", "--arg", "to=x"), 1, "authz_insufficient", 19),
        (wide, ("--tool", "payments.send", "--arg", "amount=1", "--arg", "to=x"), 1, "not_permitted", 20),
        (wide, ("--tool", "reports.read"), 1, "invalid_request", 20),
    ]
    for given, more, code, reason, step in cases:
        done = governed.verify(given, *more)
        assert (done.code, done.json["reason"], done.json["step"]) == (code, reason, step), more


def test_without_a_policy_calls_are_denied_with_a_hint(authority: Program) -> None:
    token = authority.token(authority.task())
    assert authority.verify(token).code == 0
    done = authority.verify(token, *READ)
    assert (done.code, done.json["reason"]) == (1, "not_permitted")
    shown = authority("token", "verify", "--audience", AUDIENCE, *READ, stdin=token)
    assert "nhictl policy activate" in shown.out + shown.err


def test_use_limits(governed: Program) -> None:
    """Looking takes no use and cannot decide; N uses succeed, a denied call takes none, then it is exhausted."""
    token = governed.token(governed.task(), "--uses", "2")
    plain = governed.verify(token, *READ)
    assert (plain.code, plain.json["reason"], plain.json["recorded"]) == (3, "use_required", False)
    answers = []
    for more in (READ, ("--tool", "payments.send"), READ, READ):
        done = governed.verify(token, "--consume", *more)
        answers.append((done.code, done.json["reason"]))
    assert answers == [(0, "valid"), (1, "authz_insufficient"), (0, "valid"), (1, "uses_exhausted")]
    assert governed.verify(token).code == 1


def test_a_task_has_so_many_calls(governed: Program) -> None:
    task = governed.task("--max-calls", "2")
    first, second = governed.token(task), governed.token(task)
    answers = [governed.verify(token, "--consume", *READ) for token in (first, second, first)]
    assert [(done.code, done.json["reason"]) for done in answers] == [
        (0, "valid"),
        (0, "valid"),
        (1, "limit_exceeded"),
    ]
    assert governed.verify(first, *READ).code == 1  # a dry run is no more lenient
    assert governed("task", "show", task, "--json").json["task"]["calls"] == 2


def test_ended_tasks_and_agents(governed: Program) -> None:
    cases = [
        ("task", "close", "task_closed"),
        ("task", "kill", "task_killed"),
        ("agent", "suspend", "agent_suspended"),
        ("agent", "retire", "agent_retired"),
    ]
    for noun, verb, reason in cases:
        task = governed.task()
        token = governed.token(task)
        assert governed.verify(token).code == 0
        governed.ok(noun, verb, task if noun == "task" else "report-bot")
        done = governed.verify(token)
        assert (done.code, done.json["reason"]) == (1, reason)
        if verb == "suspend":
            governed.ok("agent", "resume", "report-bot")
            assert governed.verify(token).code == 0


def test_every_jti_can_be_typed(governed: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """One random jti in 64 would begin with a hyphen, and look like an option."""
    task = governed.task()
    drawn = iter([b"\xf8" * 16])

    def random(size: int) -> bytes:
        return next(drawn, os.urandom(16)) if size == 16 else os.urandom(size)

    monkeypatch.setitem(DEFAULTS, "random", random)
    jti = governed.ok("token", "issue", "--task", task, "--audience", AUDIENCE)["jti"]
    assert next(drawn, None) is None
    assert governed("token", "show", jti).code == 0
    assert governed("audit", "replay", "--token", jti).code == 0
    assert governed("token", "revoke", "--jti", jti).code == 0


def test_inspect_proves_nothing_and_says_so(program: Program, governed: Program) -> None:
    token = governed.token(governed.task())
    done = program("token", "inspect", "--json", "--home", "nowhere", stdin=token)
    assert (done.code, done.json["schema"], done.json["proved"]) == (0, "nhictl.inspection/v1", False)
    assert done.json["header"]["typ"] == "at+jwt"
    assert done.json["claims"] == body(token)
    assert "nothing of this is proved" in program("token", "inspect", stdin=token).out
    for given in ("", "garbled", "a.b.c"):
        bad = program("token", "inspect", stdin=given)
        assert (bad.code, bad.out) == (2, "")


def test_the_head_in_a_token_is_the_one_before_its_record(governed: Program) -> None:
    task = governed.task()
    before = governed("audit", "checkpoint", "--json").json["log"]
    reply = governed.ok("token", "issue", "--task", task, "--audience", AUDIENCE)
    assert set(reply) == {"schema", "token", "jti", "task", "expires", "log"}
    named = body(reply["token"])["nhictl"]
    assert isinstance(named, dict)
    assert named["log"] == {key: before[key] for key in ("chain", "size", "root")}
    assert reply["log"]["seq"] == before["size"]


@pytest.mark.parametrize(
    "more",
    [
        ("--arg", "limit=1"),
        ("--resource", "s3://x"),
        ("--context", "a=b"),
        ("--consume", "--at", "-1m"),
        ("--tool", "reports.read", "--arg", "limit"),
        ("--at", "soon"),
    ],
    ids=" ".join,
)
def test_questions_that_make_no_sense(governed: Program, more: tuple[str, ...]) -> None:
    token = governed.token(governed.task())
    size = governed.size()
    done = governed.verify(token, *more)
    assert (done.code, done.out) == (2, "")
    assert governed.size() == size


@pytest.mark.parametrize(
    "more",
    [
        ("--ttl", "0s"),
        ("--ttl", "61m"),
        ("--ttl", "5"),
        ("--uses", "0"),
        ("--uses", "many"),
        ("--audience", ""),
        ("--audience", "two words"),
    ],
    ids=" ".join,
)
def test_tokens_that_are_not_issued(governed: Program, more: tuple[str, ...]) -> None:
    task = governed.task()
    size = governed.size()
    done = governed("token", "issue", "--task", task, "--audience", AUDIENCE, *more)
    assert (done.code, done.out) == (2, "")
    assert governed.size() == size
