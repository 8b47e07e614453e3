"""`nhictl policy propose` and `policy unused` as a person uses them: files without a home, the home's own log, exits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.cli_help import Program, check_error

RUNS = Path(__file__).parents[2] / "samples" / "runs"
IMPACT = """\
nhictl_policy: 1
tools:
  pay.send: {args: {amount: number}}
classes:
  money_out: {tools: [pay.send], impact: high, requires: approval}
  small: {tools: [pay.send], impact: low}
"""


def write_run(
    program: Program, name: str, task: str, *calls: tuple[str, dict[str, Any]], prompt: str = "do it"
) -> Path:
    """A run in a foreign format, one message a call."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": prompt}]
    for at, (tool, args) in enumerate(calls):
        asked = {"function": tool, "args": args, "id": f"c{at}"}
        messages.append({"role": "assistant", "content": "", "tool_calls": [asked]})
        messages.append(
            {"role": "tool", "content": "done", "tool_call_id": f"c{at}", "tool_call": asked, "error": None}
        )
    whole = {"suite_name": "office", "pipeline_name": f"agent-{name}", "user_task_id": task, "messages": messages}
    (program.folder / "logs").mkdir(exist_ok=True)
    return program.write(f"logs/{name}.json", json.dumps(whole))


def test_a_scope_that_a_task_can_be_opened_with(authority: Program) -> None:
    for n in range(3):
        write_run(authority, f"r{n}", "mail", ("mail.send", {"to": ["a@b.example"], "body": f"text {n}"}))
    done = authority("policy", "propose", "--log", "logs")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("# PROPOSAL for office/mail: review it; nothing is in force\n")
    scope = authority.write("scope.yaml", done.out)
    task = authority(
        "task", "open", "--agent", "report-bot", "--intent", "mail", "--purpose", "x", "--scope", scope
    ).thing
    token = authority.token(task)
    inside = authority.verify(token, "--tool", "mail.send", "--arg", "to=a@b.example", "--arg", "body=hello").json
    outside = authority.verify(token, "--tool", "mail.send", "--arg", "to=e@x.example", "--arg", "body=hello").json
    assert inside["step"] == 20, "inside the scope; no policy is in force, which is the next step"
    assert (outside["reason"], outside["step"]) == ("authz_insufficient", 19)


def test_rules_that_can_be_checked_and_activated(authority: Program) -> None:
    write_run(authority, "r0", "mail", ("mail.send", {"to": ["a@b.example"], "body": "b"}), ("get.it", {"q": "x"}))
    write_run(authority, "r1", "pay", ("pay.send", {"amount": 5}))
    done = authority("policy", "propose", "--log", "logs", "--as", "rules")
    assert (done.code, done.err) == (0, "")
    authority.ok("policy", "activate", authority.write("rules.yaml", done.out))
    call = ("policy", "check", "--agent", "report-bot", "--tool", "pay.send", "--arg", "amount=5", "--intent")
    assert authority(*call, "office/pay").code == 0
    assert authority(*call, "office/mail").code == 1
    only = authority("policy", "propose", "--log", "logs", "--as", "rules", "--intent", "office/pay")
    assert "mail.send" not in only.out.partition("# not seen")[0]


def test_json(program: Program) -> None:
    body = program.ok("policy", "propose", "--log", RUNS, "--as", "rules")
    assert body["schema"] == "nhictl.policy_proposal/v1"
    assert (body["as"], body["intents"], body["calls"], body["covered"]) == ("rules", ["backoffice/pay_invoice"], 5, 5)
    assert (body["left_out"], body["integrity"]["verdict"]) == ([], "UNSIGNED")
    pay = next(entry for entry in body["entries"] if entry["tool"] == "pay.send")
    assert (pay["calls"], pay["runs"], pay["failed"], pay["reads"]) == (2, 2, 1, False)
    amount = next(each for each in pay["arguments"] if each["path"] == "args.amount")
    assert amount == {"path": "args.amount", "role": "number", "rule": "enumerated", "calls": 2, "runs": 2, "values": 2,
                      "new_value_rate": 1.0}  # fmt: skip
    assert body["text"].startswith("# PROPOSAL")
    assert not program.home.exists()


def test_one_run_of_several(program: Program) -> None:
    one = program.ok("policy", "propose", "--log", RUNS, "--runs", "invoice-bot..invoice-bot")
    same = program.ok("policy", "propose", RUNS, "--runs", "2..")
    assert one["text"] == same["text"]
    assert one["calls"] == 2
    assert program.ok("policy", "propose", "--log", RUNS, "--runs", "..1")["calls"] == 3
    assert program("policy", "propose", "--log", RUNS, "--runs", "3").code == 4
    assert program("policy", "propose", "--log", RUNS, "--runs", "nobody..").code == 4


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (("--log", "logs", "--as", "poem"), 2, "no kind of proposal `poem`"),
        (("--log", "logs"), 2, "a scope is for one intent, and the log has 2"),
        (("--log", "logs", "--intent", "nothing"), 4, "the log shows no call that was allowed"),
        (("--log", "nowhere"), 2, "cannot read `nowhere`"),
        (("--log", "logs", "--format", "poem"), 2, "unknown log format"),
        (
            ("--log", "logs", "--intent", "office/pay", "--policy", "impact.yaml"),
            4,
            "nothing can be proposed: pay.send",
        ),
        (("--log", "logs", "--policy", "logs"), 2, "logs"),
    ],
)
def test_what_cannot_be(program: Program, argv: tuple[str, ...], code: int, said: str) -> None:
    write_run(program, "r0", "mail", ("mail.send", {"to": "a@b.example"}))
    write_run(program, "r1", "pay", ("pay.send", {"amount": 5}))
    program.write("impact.yaml", IMPACT)
    done = program("policy", "propose", *argv, "--json")
    assert (done.code, done.out) == (code, "")
    assert said in check_error(done.err)["message"]


def test_high_impact_classes_stay_shut(program: Program) -> None:
    write_run(program, "r0", "pay", ("pay.send", {"amount": 5}), ("pay.status", {"id": "x"}))
    program.write("impact.yaml", IMPACT)
    for kind in ("scope", "rules"):
        body = program.ok("policy", "propose", "--log", "logs", "--as", kind, "--policy", "impact.yaml")
        assert [entry["tool"] for entry in body["entries"]] == ["pay.status"]
        assert (
            body["left_out"][0]["why"] == "class `money_out` has high impact: a guardrail or an approval has to open it"
        )
        assert (body["calls"], body["covered"]) == (2, 1)


def test_from_the_home_itself_and_from_what_it_exports(governed: Program) -> None:
    token = governed.token(governed.task())
    for limit in ("5", "7"):
        assert governed.verify(token, "--consume", "--tool", "reports.read", "--arg", f"limit={limit}").code == 0
    assert (
        governed.verify(token, "--consume", "--tool", "payments.send", "--arg", "amount=1", "--arg", "to=x").code == 1
    )
    size = governed.size()
    body = governed.ok("policy", "propose", "--intent", "report")
    assert [(entry["tool"], entry["calls"]) for entry in body["entries"]] == [("reports.read", 2)]
    assert "payments.send: 1 call denied or never executed, so no precedent" in body["not_seen"]
    assert body["integrity"]["verdict"] == "VERIFIED_UNANCHORED"
    assert governed.size() == size, "nothing was written"
    exported = governed.write("log.jsonl", governed("audit", "export").out)
    done = governed("policy", "propose", "--log", exported, "--json")
    assert done.code == 4
    assert "its arguments are erased or not at hand" in check_error(done.err)["message"]


def test_unused_permits(governed: Program) -> None:
    extra = """\
  - {id: R-2, effect: permit, match: {agents: [nobody, report-bot], tools: [reports.read]}, when: {args.limit: {gt: 100}}}
  - {id: R-3, effect: permit, match: {tools: [payments.send, reports.read], env: [prod]}}
  - {id: F-1, effect: forbid, match: {tools: [payments.send]}, when: {args.amount: {gt: 5}}}
"""
    policy = governed.folder / "policy.yaml"
    wider = governed.write("wider.yaml", policy.read_text() + extra)
    token = governed.token(governed.task())
    assert governed.verify(token, "--consume", "--tool", "reports.read", "--arg", "limit=5").code == 0
    body = governed.ok("policy", "unused", "--policy", wider)
    assert body["schema"] == "nhictl.unused_access/v1"
    assert [(grant["id"], grant["used"]) for grant in body["grants"]] == [("R-1", True), ("R-2", False), ("R-3", True)]
    assert body["grants"][2]["unused"] == {"tools": ["payments.send"]}, (
        "the agent's env is not in a log: it counts as met"
    )
    assert (body["unused"], body["calls"], body["outside"]) == (1, 1, 0)
    assert governed("policy", "unused", "--policy", wider, "--fail").code == 1
    assert governed("policy", "unused", "--fail").code == 0, "all of the policy in force was used"
    lines = governed("policy", "unused", "--policy", wider).out.splitlines()
    assert lines[0] == "used   R-1: 1 call in 1 run"
    assert "UNUSED R-2" in lines
    assert lines[-1] == "1 of 3 permits unused; 1 call, each granted by a permit"


def test_unused_boxes_and_what_would_have_been_enough(program: Program) -> None:
    write_run(program, "r0", "mail", ("mail.send", {"to": "a@b.example"}), ("mail.wipe", {}))
    scope = program.write(
        "scope.yaml",
        "nhictl_scope: 1\nallow:\n  - tools: [mail.send, mail.draft]\n  - tools: [mail.*]\n    when: {args.to: {eq: x}}\n",
    )
    body = program.ok("policy", "unused", "--log", "logs", "--scope", scope)
    assert [(g["id"], g["used"], g["unused"]) for g in body["grants"]] == [
        (0, True, {"tools": ["mail.draft"]}),
        (1, False, {"tools": ["mail.*"]}),
    ]
    assert (body["outside"], body["unused"]) == (1, 1)
    done = program("policy", "unused", "--log", "logs", "--scope", scope, "--narrowest")
    assert done.out == body["narrowest"]
    assert "tools: [mail.send]" in done.out
    assert "mail.wipe" not in done.out
    assert program("policy", "unused", "--log", "logs").code == 4, "nothing to compare with"


def test_hostile_values_do_not_reach_the_terminal(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b]0;x\x07\u202e[red]\n  - tools: ['*']"
    write_run(program, "r0", "mail", ("mail.send", {"to": evil, "id": evil, "note": "n"}), prompt=evil)
    done = program("policy", "propose", "--log", "logs")
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
    assert done.out.count("- tools:") == 1


TOOLS = ["contacts.find", "invoice.read", "pay.send"]


@pytest.mark.parametrize("closed", [[], ["--closed"]])
def test_what_was_proposed_denies_nothing_of_its_log_and_lints(program: Program, closed: list[str]) -> None:
    done = program("policy", "propose", "--log", RUNS, "--as", "rules", *closed)
    rules = program.write("rules.yaml", done.out)
    assert program("policy", "lint", rules, "--json").json["summary"]["error"] == 0
    everything = program.write("all.yaml", json.dumps({
        "nhictl_policy": 1, "tools": {tool: {"args": "open"} for tool in TOOLS},
        "rules": [{"id": "ALL", "effect": "permit"}],
    }))  # fmt: skip
    told = program.ok(
        "policy", "simulate", "--log", RUNS, "--old", everything, "--new", rules, "--assume-registered",
        "--fail-on", "revoked",
    )  # fmt: skip
    assert (told["events"], told["revoked"], told["maybe_revoked"], told["unknown"]) == (6, 0, 0, 0)
