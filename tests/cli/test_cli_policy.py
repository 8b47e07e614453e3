"""`policy activate|show|check`: one answer for people, CI and batches."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from nhictl.core.times import rfc3339
from tests.cli.cli_help import OTHER_POLICY, POLICY, REGISTRY, Program, check_error

READ: dict[str, Any] = {
    "agent": "report-bot",
    "intent": "report",
    "tool": "reports.read",
    "args": {"limit": 10},
}


@pytest.fixture
def files(program: Program) -> tuple[str, ...]:
    """Options that make a home unnecessary; there is none."""
    policy, registry = program.write("policy.yaml", POLICY), program.write("agents.yaml", REGISTRY)
    return ("--policy", str(policy), "--registry", str(registry))


def options(call: dict[str, Any]) -> list[str]:
    given = []
    for name, value in call.items():
        if name == "args":
            given += [word for key, one in value.items() for word in ("--arg", f"{key}={one}")]
        else:
            given += [f"--{name}", value]
    return given


CASES = [
    (READ, "allow", "permitted"),
    ({**READ, "intent": "other"}, "deny", "not_permitted"),
    ({k: v for k, v in READ.items() if k != "intent"}, "deny", "not_permitted"),
    ({**READ, "agent": "ghost"}, "deny", "invalid_request"),
    ({**READ, "tool": "crm.read"}, "deny", "invalid_request"),
    ({**READ, "args": {}}, "deny", "invalid_request"),
    ({**READ, "args": {"limit": 10, "more": 1}}, "deny", "invalid_request"),
]


@pytest.mark.parametrize(("call", "decision", "reason"), CASES)
def test_one_call_asked_in_three_ways(
    program: Program, files: tuple[str, ...], call: dict[str, Any], decision: str, reason: str
) -> None:
    one = program("policy", "check", *files, *options(call), "--json")
    assert (one.code, one.err) == (0 if decision == "allow" else 1, "")
    said = one.json
    assert (said["schema"], said["decision"], said["reason"]) == ("nhictl.decision/v1", decision, reason)
    assert set(said) >= {"rules", "obligations", "near_misses", "policy"}
    assert said["policy"]["digest"].startswith("sha256:")
    asked = program("policy", "check", *files, "--request", "-", "--json", stdin=json.dumps(call))
    assert (asked.code, asked.json) == (one.code, said)
    batch = program("policy", "check", *files, "--batch", "-", stdin=json.dumps({"id": 7, **call}) + "\n")
    assert (batch.code, batch.err) == (0, "")
    (line,) = batch.lines
    assert {k: v for k, v in line.items() if k not in ("schema", "id")} == {k: said[k] for k in said if k != "schema"}
    assert line["id"] == 7
    assert not program.home.exists()


def test_words_of_a_dry_run(program: Program, files: tuple[str, ...]) -> None:
    assert program("policy", "check", *files, *options(READ)).out.startswith("would allow: permitted by R-1")
    denied = program("policy", "check", *files, *options({**READ, "intent": "other"}))
    assert denied.out.startswith("would deny: not_permitted")


def test_explain_shows_the_rules(program: Program, files: tuple[str, ...]) -> None:
    done = program("policy", "check", *files, *options({**READ, "intent": "other"}), "--explain", "--json")
    (row,) = done.json["explanation"]
    assert row["rule"] == "R-1"
    assert any(seen["result"] != "true" for seen in row["conditions"])
    assert "R-1" in program("policy", "check", *files, *options(READ), "--explain").out


def test_a_batch_goes_on_after_bad_lines(program: Program, files: tuple[str, ...]) -> None:
    good = json.dumps({"id": "first", **READ})
    bad = [
        "not json",
        "[]",
        "7",
        '{"id": "twice", "id": 2}',
        json.dumps({"id": "extra", **READ, "colour": "red"}),
        json.dumps({"id": "typed", **READ, "tool": 7}),
        json.dumps({"id": "both", **READ, "task": "t-1"}),
        json.dumps({"id": "when", **READ, "at": "soon"}),
        json.dumps({"id": "none"}),
        '{"id": "nan", "tool": NaN}',
    ]
    last = json.dumps({"id": {"any": ["json", 1.5, None]}, **READ, "agent": "ghost"})
    done = program("policy", "check", *files, "--batch", "-", stdin="\n".join([good, *bad, "", last]))
    assert (done.code, done.err) == (2, "")
    lines = done.lines
    assert len(lines) == len(bad) + 2
    assert (lines[0]["id"], lines[0]["decision"]) == ("first", "allow")
    for text, line in zip(bad, lines[1:-1], strict=True):
        assert "decision" not in line, text
        assert line["error"]["code"], text
        assert line["error"]["message"], text
    assert [line.get("id") for line in lines[5:-2]] == ["extra", "typed", "both", "when", "none"]
    assert (lines[-1]["id"], lines[-1]["decision"]) == ({"any": ["json", 1.5, None]}, "deny")


def test_every_line_of_a_batch_carries_its_schema(program: Program, files: tuple[str, ...]) -> None:
    done = program("policy", "check", *files, "--batch", "-", stdin=json.dumps(READ) + "\nnot json\n")
    assert [line.get("schema") for line in done.lines] == ["nhictl.decision/v1", "nhictl.error/v1"]


def test_a_batch_of_nothing_and_of_denials_is_0(program: Program, files: tuple[str, ...]) -> None:
    assert program("policy", "check", *files, "--batch", "-") == (0, "", "")
    path = program.write("batch.jsonl", json.dumps({**READ, "agent": "ghost"}) + "\n")
    done = program("policy", "check", *files, "--batch", path)
    assert (done.code, done.lines[0]["decision"]) == (0, "deny")
    assert "id" not in done.lines[0]


def test_one_thing_is_asked_at_a_time(program: Program, files: tuple[str, ...]) -> None:
    path = program.write("request.json", json.dumps(READ))
    several: list[tuple[str, ...]] = [
        (),
        ("--request", str(path), "--tool", "a.b"),
        ("--request", str(path), "--batch", str(path)),
        ("--batch", str(path), "--explain"),
        ("--tool", "a.b"),
        ("--agent", "a"),
        ("--request", "missing"),
        ("--batch", "missing"),
    ]
    for argv in several:
        done = program("policy", "check", *files, *argv)
        assert (done.code, done.out) == (2, ""), argv


@pytest.mark.parametrize("text", ["", "[]", "{", '{"tool": "a", "tool": "b"}', '{"agent": "a"}'])
def test_malformed_requests(program: Program, files: tuple[str, ...], text: str) -> None:
    done = program("policy", "check", *files, "--request", "-", "--json", stdin=text)
    assert (done.code, done.out) == (2, "")
    check_error(done.err)


BROKEN = [
    ("effect: permit", "effect: perhaps", 11, 13),
    ("effect: permit", "effect: permit\n    effect: permit", 12, 5),
    ("default: deny", "default: allow", 4, 10),
    ("tools: [reports.read]", "tools: [reports.raed]", 14, 62),
    ("id: house", "id: house\ncolour: red", 3, 1),
]


@pytest.mark.parametrize(("old", "new", "line", "column"), BROKEN)
def test_a_malformed_policy_is_named_and_changes_nothing(
    governed: Program, old: str, new: str, line: int, column: int
) -> None:
    before = governed("policy", "show", "--json").out, governed.size()
    path = governed.write("broken.yaml", POLICY.replace(old, new, 1))
    done = governed("policy", "activate", path, "--json")
    assert (done.code, done.out) == (2, "")
    error = check_error(done.err)
    place = {"file": str(path), "line": line, "column": column}
    assert {k: error["details"].get(k) for k in place} == place
    assert error["message"].startswith(f"{path}:{line}:{column}: ")
    assert (governed("policy", "show", "--json").out, governed.size()) == before
    assert governed("policy", "activate", path).err.startswith(f"nhictl: {path}:{line}:{column}: ")


def test_a_malformed_registry_is_named(program: Program, files: tuple[str, ...]) -> None:
    program.write("agents.yaml", REGISTRY.replace("owner", "owners"))
    done = program("policy", "check", *files, *options(READ), "--json")
    assert (done.code, done.out) == (2, "")
    assert check_error(done.err)["details"]["line"] == 3


def test_policies_of_the_past(governed: Program) -> None:
    early = "2020-01-01T00:00:00Z"
    first = governed("policy", "show", "--json").json["policy"]["digest"]
    between = rfc3339(time.time_ns() // 1000)
    time.sleep(0.001)
    made = governed.ok("policy", "activate", "--accept-gained", governed.write("other.yaml", OTHER_POLICY))["policy"]
    assert made["replaces"] == first
    assert governed("policy", "show", "--json").json["policy"]["digest"] == made["digest"]
    assert governed("policy", "show", "--at", between, "--json").json["policy"]["digest"] == first
    assert governed("policy", "show", "--at", early).code == 4
    now = governed("policy", "check", *options(READ), "--json")
    then = governed("policy", "check", *options(READ), "--at", between, "--json")
    assert (now.code, then.code) == (1, 0)
    assert then.json["hypothetical"] is True
    assert "hypothetical" not in now.json


def test_an_agent_may_be_named_by_its_spiffe_id(governed: Program) -> None:
    call = {**READ, "agent": "spiffe://example.org/agent/report-bot"}
    assert governed("policy", "check", *options(call)).code == 0


def test_check_never_writes(governed: Program) -> None:
    task = governed.task()
    size = governed.size()
    governed("policy", "check", *options(READ))
    governed("policy", "check", "--task", task, "--tool", "reports.read", "--arg", "limit=1")
    governed("policy", "check", "--batch", "-", stdin=json.dumps(READ))
    assert governed.size() == size


def test_by_task_a_dry_run_is_no_more_lenient_than_the_call_would_be(governed: Program) -> None:
    """Outside the task's scope, and after the task ended, a call is refused: `policy check` says the same."""

    def asked(task: str, *more: str) -> tuple[int, str]:
        done = governed("policy", "check", "--task", task, "--tool", "reports.read", *more, "--json")
        return done.code, done.json["decision"] if done.out else done.err

    task = governed.task("--max-calls", "1", allow="reports.read?args.limit<=100")
    assert asked(task, "--arg", "limit=100") == (0, "allow")
    assert asked(task, "--arg", "limit=101") == (1, "deny")
    assert governed.verify(governed.token(task), "--consume", "--tool", "reports.read", "--arg", "limit=1").code == 0
    assert asked(task, "--arg", "limit=100") == (1, "deny")
    for verb in ("close", "kill"):
        ended = governed.task()
        governed.ok("task", verb, ended)
        assert asked(ended, "--arg", "limit=1") == (1, "deny")


def test_an_unknown_task_is_a_denial_like_an_unknown_agent(governed: Program) -> None:
    done = governed("policy", "check", "--task", "t-0000000000000000", "--tool", "reports.read", "--json")
    assert (done.code, done.json["decision"], done.json["reason"]) == (1, "deny", "invalid_request")
    line = json.dumps({"task": "t-0000000000000000", "tool": "reports.read"})
    batch = governed("policy", "check", "--batch", "-", stdin=line)
    assert (batch.code, batch.lines[0]["decision"]) == (0, "deny")


def authzen(tool: str = "reports.read", **more: Any) -> dict[str, Any]:
    return {
        "subject": {"type": "agent", "id": "spiffe://example.org/agent/report-bot"},
        "action": {"name": tool, "properties": {"limit": 10}}, "resource": {"type": "report", "id": "47"},
        "context": {"task.intent": "report"}, **more,
    }  # fmt: skip


def test_authzen_in_and_out(program: Program, files: tuple[str, ...]) -> None:
    base = ("policy", "check", *files, "--format", "authzen")
    done = program(*base, "--request", "-", stdin=json.dumps(authzen()))
    assert (done.code, done.json["decision"], done.json["context"]["rules"]) == (0, True, ["R-1"])
    assert list(done.json) == ["decision", "context"]
    done = program(*base, "--request", "-", "-o", "json", stdin=json.dumps(authzen("payments.send")))
    assert (done.code, done.json["schema"], done.json["decision"]) == (1, "nhictl.authzen/v1", False)
    several = authzen(
        evaluations=[{}, {"action": {"name": "payments.send"}}, {}],
        options={"evaluations_semantic": "deny_on_first_deny"},
    )
    done = program(*base, "--request", "-", stdin=json.dumps(several))
    assert (done.code, [one["decision"] for one in done.json["evaluations"]]) == (1, [True, False])
    done = program(
        *base, "--batch", "-", stdin="\n".join(json.dumps({"id": i, **authzen()}) for i in (1, 2)) + "\n{}\n"
    )
    assert (done.code, [line.get("id") for line in done.lines]) == (2, [1, 2, None])
    assert done.lines[0]["decision"] is True


@pytest.mark.parametrize(
    "more",
    [
        ("--format", "xacml", "--request", "-"), ("--format", "authzen", "--tool", "x", "--agent", "a"),
        ("--format", "authzen", "--request", "-", "--explain"), ("--format", "authzen", "--request", "-"),
    ],
)  # fmt: skip
def test_authzen_misuse(program: Program, files: tuple[str, ...], more: tuple[str, ...]) -> None:
    done = program("policy", "check", *files, *more, "--json", stdin="{}")
    assert (done.code, done.out) == (2, "")
    check_error(done.err)
