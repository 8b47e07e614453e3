"""`audit redact` as people use it: what it says, how it ends, and what it refuses."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from tests.cli.cli_help import REPORT_BOT, Program, check_error

ALICE = "alice.zebra@example.org"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    made = Program(tmp_path)
    made.ok("init", "--trust-domain", "example.org")
    made.ok("agent", "register", "report-bot", *REPORT_BOT)
    return made


def test_subject(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    task = program.task("--for", ALICE)
    asked = ("audit", "redact", "--subject", ALICE, "--reason", "asked for")
    done = program(*asked, "--json")
    assert done.code == 5
    assert check_error(done.err, "task_open")["hint"]
    planned = program.ok(*asked, "--dry-run")
    assert (planned["state"], planned["ended"], planned["dry_run"]) == ("planned", [task], True)
    assert "log" not in planned
    monkeypatch.setattr("nhictl.store.sqlite.BUSY_MS", 50)
    with contextlib.closing(sqlite3.connect(program.home / "nhictl.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM task").fetchall()
        done = program(*asked, "--end-tasks", "--json")
        assert (done.code, done.err) == (3, "")
        assert done.json["state"] == "erasure_pending"
        assert done.json["log"]["seq"] == program.size() - 1
        assert program("audit", "redact", "--finish").code == 3
        said = program("doctor", "--json").json
        assert [check["status"] for check in said["checks"] if check["id"] == "erasure"] == ["warn"]
    assert program.ok("audit", "redact", "--finish")["state"] == "erased"
    assert program("audit", "redact", "--finish").code == 4
    assert not any(ALICE.encode() in path.read_bytes() for path in program.home.rglob("*") if path.is_file())
    assert program("audit", "verify").code == 0
    text = program("audit", "replay", "--task", task).out
    assert "principals erased or not at hand" in text
    assert program.ok("task", "show", task)["task"]["erased"] == program.size() - 2


@pytest.mark.parametrize(
    ("arguments", "code", "name"),
    [
        (("--task", "t-0000000000000000", "--reason", "x"), 4, "task_unknown"),
        (("--subject", "nobody", "--reason", "x"), 4, "not_found"),
        (("--record", "10000", "--reason", "x"), 4, "not_found"),
        (("--subject", ALICE), 2, "usage"),
        (("--reason", "x"), 2, "usage"),
        (("--subject", ALICE, "--task", "t", "--reason", "x"), 2, "usage"),
        (("--finish", "--reason", "x"), 2, "usage"),
    ],
)
def test_refusals(program: Program, arguments: tuple[str, ...], code: int, name: str) -> None:
    before = program.size()
    done = program("audit", "redact", *arguments, "--json")
    assert (done.code, done.out) == (code, "")
    check_error(done.err, name)
    assert program.size() == before
