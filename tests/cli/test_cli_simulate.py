"""`nhictl policy simulate`: with files alone, on the home's own log, and its exit statuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.cli_help import AUDIENCE, OTHER_POLICY, POLICY, REGISTRY, Program, check_error

OLD = {
    "nhictl_policy": 1,
    "tools": {"mail.send": {"args": {"to": "string"}}, "mail.read": {"args": "open"}},
    "rules": [{"id": "A", "effect": "permit"}],
}
CORP = {
    "id": "B",
    "effect": "permit",
    "when": {"args.to": {"glob": "*@corp.example"}},
    "match": {"tools": ["mail.send"]},
}
NEW = {**OLD, "rules": [CORP]}


def recording(*calls: tuple[str, Any]) -> str:
    messages: list[Any] = [{"role": "user", "content": "go"}]
    for at, (tool, args) in enumerate(calls):
        messages.append(
            {"role": "assistant", "content": "", "tool_calls": [{"function": tool, "args": args, "id": f"c{at}"}]}
        )
        messages.append({"role": "tool", "content": "ok", "tool_call_id": f"c{at}", "error": None})
    return json.dumps({"suite_name": "s", "pipeline_name": "gpt", "user_task_id": "u", "messages": messages})


@pytest.fixture
def files(program: Program) -> Program:
    program.write("old.yaml", json.dumps(OLD))
    program.write("new.yaml", json.dumps(NEW))
    (program.folder / "runs" / "x").mkdir(parents=True)
    mail = ("mail.send", {"to": "a@corp.example"})
    program.write("runs/one.json", recording(mail, ("mail.send", {"to": "eve@evil.example"}), ("mail.read", {})))
    program.write("runs/x/two.json", recording(mail))
    return program


ASSUMED = ("--old", "old.yaml", "--new", "new.yaml", "--assume-registered")


def test_without_a_home_one_summary_and_a_row_for_each_change(files: Program) -> None:
    done = files("policy", "simulate", "--log", "runs", *ASSUMED, "-o", "json")
    assert (done.code, done.err) == (0, "")
    body = done.json
    assert body["schema"] == "nhictl.simulation/v1"
    assert [body[name] for name in ("events", "unchanged", "revoked", "gained", "maybe_gained", "maybe_revoked")] == [
        4, 2, 2, 0, 0, 0,
    ]  # fmt: skip
    assert [(row["file"], row["run"], row["n"], row["change"]) for row in body["changed"]] == [
        ("one.json", "one", 1, "revoked"), ("one.json", "one", 2, "revoked"),
    ]  # fmt: skip
    assert body["changed"][0]["position"] == {"message": 3, "result": 4}
    assert body["groups"]["tool"] == [
        {"tool": "mail.read", "revoked": 1},
        {"tool": "mail.send", "unchanged": 2, "revoked": 1},
    ]
    assert body["groups"]["rule"] == [{"rule": "A", "unchanged": 2, "revoked": 2}, {"rule": "B", "unchanged": 2}]
    assert not files.home.exists()


def test_jsonl_has_every_call_in_the_order_of_the_log(files: Program) -> None:
    done = files("policy", "simulate", "--log", "runs", *ASSUMED, "-o", "jsonl", "--fail-on", "revoked")
    assert done.code == 1
    assert [list(row)[:9] for row in done.lines] == [
        ["schema", "run", "n", "tool", "old", "new", "change", "reason", "rules"]
    ] * 4
    assert [(row["run"], row["n"], row["old"], row["new"], row["reason"], row["rules"]) for row in done.lines] == [
        ("one", 0, "allow", "allow", "permitted", ["B"]), ("one", 1, "allow", "deny", "not_permitted", []),
        ("one", 2, "allow", "deny", "not_permitted", []), ("x/two", 0, "allow", "allow", "permitted", ["B"]),
    ]  # fmt: skip


def test_lists_of_files_may_follow_one_option(files: Program) -> None:
    given = (
        "--log",
        "runs/one.json",
        "runs/x/two.json",
        "--new",
        "new.yaml",
        "--old",
        "old.yaml",
        "--assume-registered",
    )
    assert files.ok("policy", "simulate", *given)["events"] == 4
    again = (
        "--log",
        "runs/one.json",
        "--log",
        "runs/x/two.json",
        "--new",
        "new.yaml",
        "--old",
        "old.yaml",
        "--assume-registered",
    )
    assert files.ok("policy", "simulate", *again)["events"] == 4
    done = files("policy", "simulate", "stray", *given)
    assert done.code == 2


def test_recorded_and_fail_on(files: Program) -> None:
    base = ("policy", "simulate", "--log", "runs", "--new", "new.yaml", "--assume-registered")
    body = files.ok(*base, "--recorded")
    assert (body["events"], body["unknown"]) == (4, 4)
    assert body["policy"]["old"] == "recorded"
    assert files(*base, "--recorded", "--fail-on", "gained").code == 3, "undecided is no pass"
    assert files(*base, "--old", "old.yaml", "--fail-on", "gained").code == 0
    assert files(*base, "--old", "old.yaml", "--fail-on", "revoked").code == 1
    turned = ("policy", "simulate", "--log", "runs", "--new", "old.yaml", "--old", "new.yaml", "--assume-registered")
    assert files(*turned, "--fail-on", "gained").code == 1
    assert files(*turned, "--fail-on", "revoked").code == 0


def test_registry_says_who_is_known(files: Program) -> None:
    files.write("agents.yaml", REGISTRY)
    body = files.ok(
        "policy", "simulate", "--log", "runs", "--old", "old.yaml", "--new", "new.yaml", "--registry", "agents.yaml"
    )
    assert (body["events"], body["unchanged"], body["unregistered"]) == (4, 4, ["gpt"])
    files.write("agents.yaml", REGISTRY.replace("report-bot", "gpt"))
    body = files.ok(
        "policy", "simulate", "--log", "runs", "--old", "old.yaml", "--new", "new.yaml", "--registry", "agents.yaml"
    )
    assert body["revoked"] == 2


@pytest.mark.parametrize(
    "argv",
    [
        ("--log", "runs", "--old", "old.yaml", "--assume-registered"),
        ("--log", "runs", "--new", "new.yaml", "--old", "old.yaml"),
        ("--log", "runs", "--new", "new.yaml", "--assume-registered"),
        ("--new", "new.yaml", "--old", "old.yaml", "--assume-registered"),
        ("--log", "runs", *ASSUMED, "--recorded"),
        ("--log", "runs", *ASSUMED, "--registry", "agents.yaml"),
        ("--log", "runs", *ASSUMED, "--fail-on", "unknown"),
        ("--log", "runs", "--old", "old.yaml", "--new", "runs/one.json", "--assume-registered"),
        ("--log", "new.yaml", *ASSUMED),
        ("--log", "missing.json", *ASSUMED),
        ("--log", "runs", "--format", "nonsense", *ASSUMED),
    ],
)
def test_what_is_missing_or_contradicts_itself(files: Program, argv: tuple[str, ...]) -> None:
    done = files("policy", "simulate", *argv, "--json")
    assert (done.code, done.out) == (2, "")
    check_error(done.err)


def test_a_bad_file_is_named_and_the_others_are_simulated(files: Program) -> None:
    files.write("runs/bad.json", "{")
    done = files("policy", "simulate", "--log", "runs", *ASSUMED, "--json")
    assert done.code == 2
    assert done.json["events"] == 4
    assert "bad.json" in done.err
    assert len(done.json["refused"]) == 1


def test_hostile_names_stay_harmless(files: Program) -> None:
    files.write("runs/one.json", recording(("mail.\x1b[31m\u202esend", {}), ("mail.send", {"to": "=cmd()"})))
    done = files("policy", "simulate", "--log", "runs", *ASSUMED)
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out


def consumed(program: Program, task: str, *call: str) -> None:
    program("token", "verify", "--audience", AUDIENCE, "--consume", *call, stdin=program.token(task) + "\n")


def test_on_the_log_of_a_home(governed: Program) -> None:
    task = governed.task(allow="reports.read,payments.send")
    consumed(governed, task, "--tool", "reports.read", "--arg", "limit=3")
    consumed(governed, task, "--tool", "payments.send", "--arg", "amount=3", "--arg", "to=x")
    governed.write("same.yaml", POLICY)
    governed.write("other.yaml", OTHER_POLICY)
    before = governed.size()
    body = governed.ok("policy", "simulate", "--new", "same.yaml")
    assert (body["events"], body["unchanged"], body["integrity"][0]["verdict"]) == (2, 2, "VERIFIED_UNANCHORED")
    for against in (["--recorded"], []):
        rows = governed("policy", "simulate", "--new", "other.yaml", *against, "-o", "jsonl").lines
        assert [(row["tool"], row["old"], row["new"], row["change"]) for row in rows] == [
            ("reports.read", "allow", "deny", "revoked"), ("payments.send", "deny", "allow", "gained"),
        ]  # fmt: skip
        assert all(row["position"]["seq"] > 0 and row["run"] == task for row in rows)
    assert governed.size() == before, "nothing is written"
    governed("agent", "retire", "report-bot")
    assert governed.ok("policy", "simulate", "--new", "other.yaml")["gained"] == 1, "as it was registered then"


def test_an_exported_log_has_no_arguments(governed: Program, tmp_path: Path) -> None:
    task = governed.task(allow="reports.read,payments.send")
    consumed(governed, task, "--tool", "reports.read", "--arg", "limit=3")
    (tmp_path / "export.jsonl").write_text(governed("audit", "export").out)
    governed.write("agents.yaml", REGISTRY)
    governed.write(
        "low.yaml", POLICY.replace("tools: [reports.read]}", "tools: [reports.read]}\n    when: {args.limit: {lte: 5}}")
    )
    governed.write("none.yaml", OTHER_POLICY)
    base = ("policy", "simulate", "--log", str(tmp_path / "export.jsonl"), "--recorded", "--registry", "agents.yaml")
    body = governed.ok(*base, "--new", "low.yaml")
    assert (body["maybe_revoked"], body["changed"][0]["missing"]) == (1, ["args.limit"])
    assert governed.ok(*base, "--new", "none.yaml")["revoked"] == 1, "decided, since nothing that is gone is read"
