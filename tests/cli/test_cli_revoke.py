"""`token revoke`: exactly what was named ends, at the very next check, and nothing is said that was not done."""

from __future__ import annotations

import pytest

from tests.cli.cli_help import REPORT_BOT, Program, check_error


@pytest.fixture
def two(governed: Program) -> tuple[Program, str, str, str, str]:
    """A home, two tasks, and a token of each."""
    first, second = governed.task(), governed.task()
    return governed, first, governed.token(first), second, governed.token(second)


def jti_of(program: Program, token: str) -> str:
    return str(program("token", "inspect", "--json", stdin=token).json["claims"]["jti"])


@pytest.mark.parametrize("by", ["jti", "token", "token file", "task"])
def test_one_ends_and_the_other_stays(two: tuple[Program, str, str, str, str], by: str) -> None:
    program, task, token, _, other = two
    jti = jti_of(program, token)
    path = program.write("token", token + "\n")
    how = {
        "jti": ("--jti", jti),
        "token": ("--token-file", "-"),
        "token file": ("--token-file", str(path)),
        "task": ("--task", task),
    }[by]
    said = program.ok("token", "revoke", *how, "--reason", "incident 42", stdin=token + "\n")
    assert (said["schema"], said["revoked"], said["tokens"]) == ("nhictl.revocation/v1", 1, [jti])
    assert said["log"]["size"] == program.size()
    refused = program.verify(token)
    assert (refused.code, refused.json["reason"]) == (1, "token_revoked")
    assert program.verify(other).code == 0
    again = program("token", "revoke", *how, "--json", stdin=token)
    assert (again.code, again.out) == (4, "")
    check_error(again.err)


def test_all_of_an_agent(two: tuple[Program, str, str, str, str]) -> None:
    program, _, token, _, other = two
    program.ok("agent", "register", "lab-bot", *REPORT_BOT)
    spared = program.token(program.task(agent="lab-bot"))
    said = program.ok("token", "revoke", "--agent", "report-bot")
    assert said["revoked"] == 2
    assert said["tokens"] == [jti_of(program, token), jti_of(program, other)]
    assert [program.verify(t).code for t in (token, other, spared)] == [1, 1, 0]


def test_a_cut_off_ends_what_was_issued_and_not_what_comes(two: tuple[Program, str, str, str, str]) -> None:
    program, task, token, _, _ = two
    program.ok("token", "revoke", "--task", task)
    later = program.token(task)
    assert [program.verify(t).code for t in (token, later)] == [1, 0]


@pytest.mark.parametrize("selector", ["--jti", "--task", "--agent"])
def test_a_dry_run_ends_nothing(two: tuple[Program, str, str, str, str], selector: str) -> None:
    program, task, token, _, _ = two
    value = {"--jti": jti_of(program, token), "--task": task, "--agent": "report-bot"}[selector]
    size = program.size()
    said = program.ok("token", "revoke", selector, value, "--dry-run")
    assert said["revoked"] == (2 if selector == "--agent" else 1)
    assert jti_of(program, token) in said["tokens"]
    assert said["dry_run"] is True
    assert "would" in program("token", "revoke", selector, value, "--dry-run").out
    assert (program.size(), program.verify(token).code) == (size, 0)


def test_a_dry_run_with_nothing_to_end(two: tuple[Program, str, str, str, str]) -> None:
    program, task, *_ = two
    program.ok("token", "revoke", "--task", task)
    assert program("token", "revoke", "--task", task, "--dry-run").code == 4


@pytest.mark.parametrize(
    "argv", [(), ("--jti", "a", "--agent", "report-bot"), ("--task", "t", "--token-file", "-")], ids=str
)
def test_exactly_one_selector(governed: Program, argv: tuple[str, ...]) -> None:
    done = governed("token", "revoke", *argv, stdin="x")
    assert (done.code, done.out) == (2, "")


def test_what_is_no_token_cannot_be_revoked(governed: Program) -> None:
    done = governed("token", "revoke", "--token-file", "-", stdin="garbled")
    assert (done.code, done.out) == (2, "")


def test_a_token_of_another_authority_matches_nothing(two: tuple[Program, str, str, str, str]) -> None:
    program, _, token, _, _ = two
    elsewhere = ("--home", program.folder / "elsewhere")
    assert program(*elsewhere, "init", "--trust-domain", "example.org").code == 0
    assert program(*elsewhere, "token", "revoke", "--token-file", "-", stdin=token).code == 4
    assert program.verify(token).code == 0


def test_a_revoked_token_of_a_closed_task_says_that_it_was_revoked(two: tuple[Program, str, str, str, str]) -> None:
    program, task, token, other_task, other = two
    program.ok("token", "revoke", "--jti", jti_of(program, token))
    program.ok("task", "close", task)
    program.ok("task", "close", other_task)
    assert program.verify(token).json["reason"] == "token_revoked"
    assert program.verify(other).json["reason"] == "task_closed"


def test_revocation_is_in_the_story(two: tuple[Program, str, str, str, str]) -> None:
    program, task, _, _, _ = two
    program.ok("token", "revoke", "--task", task, "--reason", "incident 42")
    event = program("audit", "replay", "--task", task, "-o", "jsonl").lines[-1]
    assert (event["type"], event["task"], event["evidence"]) == ("token.revoked", task, "recorded")


def test_what_the_reply_says(two: tuple[Program, str, str, str, str]) -> None:
    """Here and elsewhere apart: nothing is published yet, and the reply says so."""
    program, task, token, _, _ = two
    jti = jti_of(program, token)
    program.ok("agent", "suspend", "report-bot")
    dry = program.ok("token", "revoke", "--task", task, "--issued", "-1h..+1h", "--dry-run")
    assert (dry["local"], dry["published"], "log" in dry) == (None, None, False)
    said = program.ok("token", "revoke", "--task", task, "--issued", "-1h..+1h")
    assert list(said) == ["schema", "revoked", "live", "tokens", "dry_run", "issued", "local", "published", "log"]
    assert (said["revoked"], said["live"], said["tokens"], said["published"]) == (1, 0, [jti], None)
    assert said["local"] == {"revoked": 1, "record": said["log"]["seq"]}
    assert list(said["issued"]) == ["from", "to"]
    listed = program.ok("token", "list", "--revoked-by", str(said["local"]["record"]))["items"]
    assert [(row["jti"], row["state"], row["revoked_by"]) for row in listed] == [(jti, "revoked", said["log"]["seq"])]
    assert (
        program.ok("token", "list", "--revoked-by", str(said["log"]["seq"]), "--agent", "report-bot")["items"] == listed
    )


def test_what_is_revoked_already_is_told_with_its_record(two: tuple[Program, str, str, str, str]) -> None:
    program, _, token, _, _ = two
    seq = program.ok("token", "revoke", "--agent", "report-bot")["log"]["seq"]
    for how in (("--agent", "report-bot"), ("--jti", jti_of(program, token))):
        again = program("token", "revoke", *how)
        assert (again.code, f"by record {seq}" in again.err) == (4, True)


@pytest.mark.parametrize("given", ["", "..", "-1h..", "..now", "-1h", "soon..now", "2026-01-01..2026-01-01"])
def test_what_is_no_range(governed: Program, given: str) -> None:
    done = governed("token", "revoke", "--issued", given)
    assert (done.code, done.out) == (2, "")
    assert "--issued" in done.err


def test_ranges_as_they_are_typed(two: tuple[Program, str, str, str, str]) -> None:
    program, *_ = two
    for given in ("-5m..now", "2026-01-01..+1m", "2026-01-01T00:00:00.5Z..2999-01-01T00:00:00+01:00"):
        assert program.ok("token", "revoke", "--issued", given, "--dry-run")["revoked"] == 2
    assert program("token", "revoke", "--issued", "+1m..+2m").code == 4
