"""Every exit status means one thing, and what it says stands on standard error alone."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.cli.cli_help import AUDIENCE, DEFAULTS, REPORT_BOT, Program, check_error


def test_a_second_init_changes_nothing(authority: Program) -> None:
    before = {path.name: path.read_bytes() for path in authority.home.iterdir() if not path.name.endswith("-shm")}
    done = authority("init", "--trust-domain", "other.example", "--json")
    assert (done.code, done.out) == (5, "")
    check_error(done.err, "already_initialised")
    after = {path.name: path.read_bytes() for path in authority.home.iterdir() if not path.name.endswith("-shm")}
    assert after == before


@pytest.mark.parametrize(
    "argv",
    [
        ("agent", "show", "ghost"),
        ("agent", "suspend", "ghost"),
        ("agent", "resume", "ghost"),
        ("agent", "retire", "ghost"),
        ("task", "open", "--agent", "ghost", "--intent", "i", "--purpose", "p", "--allow", "a.b"),
        ("task", "list", "--agent", "ghost"),
        ("task", "show", "t-0000000000000000"),
        ("task", "close", "t-0000000000000000"),
        ("task", "kill", "t-0000000000000000"),
        ("token", "issue", "--task", "t-0000000000000000", "--audience", AUDIENCE),
        ("token", "show", "AAAAAAAAAAAAAAAAAAAAAA"),
        ("token", "show", "not a jti"),
        ("token", "list", "--task", "t-0000000000000000"),
        ("token", "list", "--agent", "ghost"),
        ("token", "revoke", "--jti", "AAAAAAAAAAAAAAAAAAAAAA"),
        ("token", "revoke", "--task", "t-0000000000000000"),
        ("token", "revoke", "--agent", "ghost"),
        ("token", "revoke", "--agent", "report-bot"),
        ("policy", "show"),
    ],
    ids=" ".join,
)
def test_nothing_matched(authority: Program, argv: tuple[str, ...]) -> None:
    size = authority.size()
    done = authority(*argv, "--json")
    assert (done.code, done.out) == (4, "")
    check_error(done.err)
    assert authority.size() == size


def test_conflicts(authority: Program) -> None:
    task = authority.task("--max-tokens", "1")
    authority.token(task)
    ended = authority.task()
    authority.ok("task", "close", ended)
    cases = [
        ("agent", "register", "report-bot", *REPORT_BOT),
        ("agent", "resume", "report-bot"),
        ("token", "issue", "--task", task, "--audience", AUDIENCE),
        ("token", "issue", "--task", ended, "--audience", AUDIENCE),
        ("token", "issue", "--task", task, "--audience", AUDIENCE, "--instance", "another"),
        ("task", "close", ended),
        ("task", "kill", ended),
    ]
    size = authority.size()
    for argv in cases:
        done = authority(*argv, "--json")
        assert (done.code, done.out) == (5, ""), argv
        check_error(done.err)
    assert authority.size() == size


def test_a_suspended_agent_gets_neither_task_nor_token(authority: Program) -> None:
    task = authority.task()
    authority.ok("agent", "suspend", "report-bot")
    opening = ("task", "open", "--agent", "report-bot", "--intent", "report", "--purpose", "p", "--allow", "a.b")
    for argv in (opening, ("token", "issue", "--task", task, "--audience", AUDIENCE)):
        done = authority(*argv)
        assert (done.code, done.out) == (5, ""), argv


@pytest.mark.parametrize("name", [".", "nhictl.db", "kek"])
@pytest.mark.parametrize("argv", [("agent", "list"), ("agent", "suspend", "report-bot")], ids=" ".join)
def test_loose_permissions(authority: Program, name: str, argv: tuple[str, ...]) -> None:
    path = authority.home / name
    if not path.exists():
        path = next(p for p in authority.home.iterdir() if p.name.startswith("kek") or p.suffix == ".key")
    path.chmod(0o755 if path.is_dir() else 0o644)
    done = authority(*argv, "--json")
    assert (done.code, done.out) == (6, "")
    assert "chmod" in (check_error(done.err, "loose_permissions")["hint"] or "")


def test_a_home_that_is_a_symbolic_link(authority: Program) -> None:
    real = authority.home.rename(authority.folder / "real")
    authority.home.symlink_to(real)
    assert authority("agent", "list").code == 6


def test_a_deleted_database_is_an_outage(authority: Program) -> None:
    for path in authority.home.glob("nhictl.db*"):
        path.unlink()
    for argv in (("agent", "list"), ("token", "verify", "--audience", AUDIENCE), ("init", "--trust-domain", "a.b")):
        done = authority(*argv, stdin="x")
        assert (done.code, done.out) == (6, ""), argv


def test_a_damaged_database(authority: Program) -> None:
    for path in authority.home.glob("nhictl.db-*"):
        path.unlink()
    (authority.home / "nhictl.db").write_bytes(b"no database at all, and long enough to be looked at" * 100)
    done = authority("agent", "list")
    assert (done.code, done.out) == (6, "")


def test_a_newer_schema(authority: Program) -> None:
    database = sqlite3.connect(authority.home / "nhictl.db")
    database.execute("PRAGMA user_version=999")
    database.close()
    done = authority("agent", "list", "--json")
    assert (done.code, done.out) == (6, "")
    check_error(done.err, "schema_newer")


@pytest.mark.parametrize(
    "argv",
    [
        ("agent", "list"),
        ("agent", "register", "report-bot", *REPORT_BOT),
        ("agent", "show", "report-bot"),
        ("agent", "suspend", "report-bot"),
        ("task", "open", "--agent", "a", "--intent", "i", "--purpose", "p", "--allow", "a.b"),
        ("task", "list"),
        ("task", "kill", "t-0000000000000000"),
        ("token", "issue", "--task", "t-0000000000000000", "--audience", AUDIENCE),
        ("token", "verify", "--audience", AUDIENCE),
        ("token", "verify", "--audience", AUDIENCE, "--consume"),
        ("token", "revoke", "--agent", "a"),
        ("token", "list"),
        ("policy", "show"),
        ("policy", "check", "--agent", "a", "--tool", "a.b"),
        ("audit", "verify"),
        ("audit", "checkpoint"),
        ("audit", "export"),
        ("audit", "replay"),
    ],
    ids=" ".join,
)
def test_no_home(program: Program, argv: tuple[str, ...]) -> None:
    done = program(*argv, "--json", stdin="x.y.z")
    assert (done.code, done.out) == (7, "")
    check_error(done.err, "not_initialised")
    assert not program.home.exists()


def test_a_home_that_cannot_be_made(program: Program) -> None:
    program.write("file", "")
    done = program("--home", program.folder / "file" / "home", "init", "--trust-domain", "example.org", "--json")
    assert (done.code, done.out) == (7, "")
    check_error(done.err)


def test_a_home_below_a_file_is_unavailable(program: Program) -> None:
    program.write("file", "")
    done = program("--home", program.folder / "file" / "home", "agent", "list", "--json")
    assert (done.code, done.out) == (7, "")
    check_error(done.err)


def test_a_clock_that_went_back(authority: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is granted and nothing judged; authority can still be taken away."""
    task = authority.task("--deadline", "30d")
    token = authority.token(task)
    clock = DEFAULTS["clock"]
    monkeypatch.setitem(DEFAULTS, "clock", lambda: clock() + 3600 * 1_000_000)
    authority.ok("agent", "register", "lab-bot", *REPORT_BOT)
    monkeypatch.undo()
    issued = authority("token", "issue", "--task", task, "--audience", AUDIENCE, "--json")
    assert (issued.code, issued.out) == (6, "")
    check_error(issued.err, "clock_regressed")
    verdict = authority.verify(token)
    assert (verdict.code, verdict.json["reason"]) == (6, "clock_regressed")
    assert authority("task", "kill", task).code == 0
    assert authority("agent", "suspend", "report-bot").code == 0


def test_a_copied_home_works(authority: Program) -> None:
    """The positive control of the house checks: a copy with its modes kept is as good."""
    copy = shutil.copytree(authority.home, authority.folder / "copy")
    Path(copy).chmod(0o700)
    assert authority("--home", copy, "agent", "show", "report-bot").code == 0


def test_a_bug_is_70_without_a_traceback(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object) -> None:
        raise KeyError("secret value")

    monkeypatch.setattr("nhictl.ops.house.House.check", broken)
    done = program("agent", "list")
    assert (done.code, done.out) == (70, "")
    assert "Traceback" not in done.err
    assert "secret value" not in done.err
    asked = program("agent", "list", "--debug")
    assert asked.code == 70
    assert "Traceback" in asked.err
    error = json.loads(program("agent", "list", "--json").err)["error"]
    assert error["code"] == "internal_error"
