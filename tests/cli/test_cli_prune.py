"""`audit prune` as people use it, and one log verified over its parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.cli_help import REPORT_BOT, Program, check_error


@pytest.fixture
def program(tmp_path: Path) -> Program:
    made = Program(tmp_path)
    made.ok("init", "--trust-domain", "example.org")
    made.ok("agent", "register", "report-bot", *REPORT_BOT)
    return made


def test_parts_and_the_rest_are_one_log(program: Program) -> None:
    program.write("early", program("audit", "checkpoint").out)
    planned = program.ok("audit", "prune", "--before", "+1h", "--dry-run")
    assert (planned["from"], planned["file"], planned["dry_run"]) == (0, None, True)
    done = program.ok("audit", "prune", "--before", "+1h", "--out", "one.jsonl")
    assert (done["to"], done["records"], done["file"]) == (planned["to"], planned["records"], "one.jsonl")
    program.task()
    program.ok("audit", "prune", "--before", "+1h", "--out", "two.jsonl")
    export = program("audit", "export")
    assert (export.code, "it begins with record" in export.err) == (0, True)
    program.write("rest.jsonl", export.out)
    whole: list[tuple[str, ...]] = [
        ("--segment", "one.jsonl", "--segment", "two.jsonl"), ("one.jsonl", "two.jsonl", "rest.jsonl"),
    ]  # fmt: skip
    for arguments in whole:
        found = program.ok("audit", "verify", *arguments, "--anchor", "early")
        assert (found["verdict"], found["size"]) == ("VERIFIED", program.size())
    text = program("audit", "verify").out
    assert "only their hashes are here" in text
    assert program("audit", "replay", "one.jsonl").code == 0
    wrong: list[tuple[tuple[str, ...], int]] = [
        (("audit", "verify", "two.jsonl"), 3), (("audit", "verify", "rest.jsonl", "one.jsonl"), 3),
        (("audit", "verify", "one.jsonl", "rest.jsonl"), 1), (("audit", "verify", "one.jsonl", "--segment", "two.jsonl"), 2),
        (("audit", "verify", "--segment", "none.jsonl"), 2), (("audit", "tail", "--from-seq", "0"), 3),
    ]  # fmt: skip
    for given, code in wrong:
        assert program(*given).code == code, given


@pytest.mark.parametrize(
    ("arguments", "code", "name"),
    [
        (("--before", "-1h", "--out", "x"), 4, "nothing_to_prune"),
        (("--before", "+1h"), 2, "usage"),
        (("--before", "soon", "--out", "x"), 2, "usage"),
        (("--before", "+1h", "--out", "home/x"), 2, "usage"),
        (("--before", "+1h", "--out", "nowhere/x"), 7, "unavailable"),
    ],
)
def test_refusals(program: Program, arguments: tuple[str, ...], code: int, name: str) -> None:
    before = program.size()
    done = program("audit", "prune", *arguments, "--json")
    assert (done.code, done.out) == (code, "")
    check_error(done.err, name)
    assert program.size() == before
