"""`policy lint|diff|who-can|what-can` and what `policy activate` refuses, as people, CI and code review see them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nhictl.cli.main import main

TOOLS: dict[str, Any] = {"pay": {"args": {"n": "number", "memo": {"type": "string", "optional": True}}}, "see": {}}
AGENTS = {
    "nhictl_agents": 1,
    "agents": [{"name": name, "owner": "o@x.example", "purpose": "p"} for name in ("bot", "idle")],
}
CLASSES = {
    "classes": {"money": {"tools": ["pay"], "impact": "high", "requires": "guardrail_or_approval"}},
    "guardrails": {
        "G": {"class": "money", "approved_by": "cfo", "expires": "2099-01-01", "within": {"args.n": {"lte": 3}}}
    },
}


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        made: dict[str, Any] = json.loads(self.out)
        return made


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("NHICTL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "agents.yaml", AGENTS)
    write(tmp_path, "old.yaml", policy(5))
    write(tmp_path, "new.yaml", policy(9))

    def once(*argv: str) -> Done:
        code = main(list(argv))
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return once


def write(folder: Path, name: str, body: dict[str, Any]) -> None:
    (folder / name).write_text(json.dumps(body))


def policy(most: int, **parts: Any) -> dict[str, Any]:
    rules = [
        {
            "id": "P",
            "effect": "permit",
            "match": {"agents": ["bot"], "tools": ["pay"]},
            "when": {"args.n": {"lte": most}},
        },
        {"id": "S", "effect": "permit", "match": {"agents": ["bot"], "tools": ["see"]}},
    ]
    return {"nhictl_policy": 1, "id": "house", "tools": TOOLS, "rules": rules, **parts}


def test_lint_says_nothing_of_a_sound_policy_and_needs_no_home(run: Run, tmp_path: Path) -> None:
    done = run("policy", "lint", "old.yaml")
    assert done == (0, "0 errors, 0 warnings, 0 notes\n", "")
    assert not (tmp_path / "home").exists()


def test_lint_exits_by_its_worst_finding(run: Run, tmp_path: Path) -> None:
    write(tmp_path, "p.yaml", policy(5, assertions=[{"never": {"tools": ["see"]}, "owner": "audit"}]))
    done = run("policy", "lint", "p.yaml", "--registry", "agents.yaml", "-o", "json")
    assert done.code == 1
    body = done.json
    assert body["schema"] == "nhictl.lint/v1"
    assert [(one["rule"], one["level"]) for one in body["findings"]] == [
        ("assertion-violated", "error"), ("agent-without-permit", "warning")
    ]  # fmt: skip
    first = body["findings"][0]
    assert (first["file"], first["line"]) == ("p.yaml", 1)
    assert first["witness"]["tool"] == "see"
    assert first["decision"] == {"decision": "allow", "reason": "permitted", "rules": ["S"]}
    (tmp_path / "asked.json").write_text(json.dumps(first["witness"]))
    again = run(
        "policy", "check", "--policy", "p.yaml", "--registry", "agents.yaml", "--request", "asked.json", "--json"
    )
    assert again.json["reason"] == "permitted"
    warned = run("policy", "lint", "old.yaml", "--registry", "agents.yaml")
    assert warned.code == 0
    assert run("policy", "lint", "old.yaml", "--registry", "agents.yaml", "--strict").code == 1


def test_a_witness_for_any_agent_can_be_put_to_the_engine_with_that_agent_registered(run: Run, tmp_path: Path) -> None:
    found = run("policy", "diff", "old.yaml", "new.yaml", "-o", "json").json["gained"][0]
    write(tmp_path, "one.yaml", {"nhictl_agents": 1, "agents": [found["agent"]]})
    (tmp_path / "asked.json").write_text(json.dumps(found["witness"]))
    for file, reason in (("old.yaml", "not_permitted"), ("new.yaml", "permitted")):
        asked = run("policy", "check", "--policy", file, "--registry", "one.yaml", "--request", "asked.json", "--json")
        assert asked.json["reason"] == reason


@pytest.mark.parametrize(
    ("text", "where"),
    [("nhictl_policy: 2\n", "p.yaml:1:16"), ("a: [", "p.yaml:2:1"), ("x" * 10_000_001, "over 10000000 bytes")],
)
def test_malformed_is_2(run: Run, tmp_path: Path, text: str, where: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    for argv in (
        ("lint", "p.yaml"),
        ("diff", "old.yaml", "p.yaml"),
        ("who-can", "--tool", "pay", "--policy", "p.yaml"),
    ):
        done = run("policy", *argv)
        assert (done.code, done.out) == (2, "")
        assert where in done.err


def test_two_files_with_one_rule_are_2(run: Run) -> None:
    assert "duplicate" in run("policy", "lint", "old.yaml", "new.yaml").err
    assert run("policy", "diff", "old.yaml,new.yaml", "new.yaml").code == 2


def test_sarif_has_what_its_schema_requires(run: Run, tmp_path: Path) -> None:
    write(tmp_path, "p ü.yaml", policy(5, rules=[{"id": "X", "effect": "permit", "when": {"tool": {"eq": "nope"}}}]))
    done = run("policy", "lint", "p ü.yaml", "-o", "sarif")
    log = done.json
    assert log["version"] == "2.1.0"
    (only,) = log["runs"]
    driver = only["tool"]["driver"]
    assert driver["name"] == "nhictl"
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(set(ids)) == len(ids)
    assert all(rule["shortDescription"]["text"] for rule in driver["rules"])
    assert only["results"]
    for one in only["results"]:
        assert ids[one["ruleIndex"]] == one["ruleId"]
        assert one["level"] in ("error", "warning", "note")
        assert one["message"]["text"]
        for place in one.get("locations", ()):
            physical = place["physicalLocation"]
            assert physical["artifactLocation"]["uri"] == "p%20%C3%BC.yaml"
            assert physical["region"]["startLine"] >= 1
            assert physical["region"]["startColumn"] >= 1
    assert any("locations" in one for one in only["results"])
    assert "sarif" in run("policy", "diff", "old.yaml", "new.yaml", "-o", "sarif").err


def test_diff_and_its_exits(run: Run) -> None:
    done = run("policy", "diff", "old.yaml", "new.yaml")
    assert done.code == 0
    assert done.out.startswith("+ newly allowed: pay ? agent.name=bot & args.n>5&args.n<=9\n    e.g. bot: pay ")
    assert done.out.endswith(
        "not_permitted -> permitted\nwider: the new policy allows all that the old one does, and more\n"
    )
    assert run("policy", "diff", "old.yaml", "new.yaml", "--no-new-access").code == 1
    back = run("policy", "diff", "new.yaml", "old.yaml", "--no-new-access", "--json")
    assert back.code == 0
    assert back.json["verdict"] == "narrower"
    assert back.json["implies"] == {"old_new": False, "new_old": True, "disjoint": False}
    assert run("policy", "diff", "new.yaml", "new.yaml").out == "equivalent: both allow the same\n"


def test_what_cannot_be_decided_is_no_promise_of_no_new_access(run: Run, tmp_path: Path) -> None:
    for name, resource in (("one", "s3://x/{args.a}"), ("two", "s3://x/{args.b}")):
        tools = {"t": {"args": {"a": "string", "b": "string"}, "resource": resource}}
        rules = [{"id": "R", "effect": "permit", "when": {"resource": {"under": "s3://x/ours"}}}]
        write(tmp_path, f"{name}.yaml", policy(5, tools=tools, rules=rules))
    done = run("policy", "diff", "one.yaml", "two.yaml", "--no-new-access")
    assert done.code == 3
    assert done.out.startswith("? t: undecided: ")


def test_a_folder_and_several_files_are_one_policy(run: Run, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    whole = policy(5)
    write(tmp_path, "set/a.yaml", {**whole, "rules": whole["rules"][:1]})
    write(tmp_path, "set/b.yml", {"nhictl_policy": 1, "rules": whole["rules"][1:]})
    (tmp_path / "set" / "notes.txt").write_text("no policy")
    assert run("policy", "diff", "old.yaml", "set", "--json").json["verdict"] == "equivalent"
    assert run("policy", "diff", "set/a.yaml,set/b.yml", "old.yaml", "--json").json["verdict"] == "equivalent"
    (tmp_path / "none").mkdir()
    assert run("policy", "diff", "none", "old.yaml").code == 2


def test_who_can_and_what_can(run: Run) -> None:
    files = ("--policy", "old.yaml", "--registry", "agents.yaml")
    done = run("policy", "who-can", *files, "--tool", "pay", "--arg", "n=5", "--json")
    assert (done.code, done.json["agents"]) == (0, ["bot"])
    assert done.json["schema"] == "nhictl.policy_who_can/v1"
    nobody = run("policy", "who-can", *files, "--tool", "pay", "--arg", "n=6")
    assert (nobody.code, nobody.out) == (1, "nobody may call pay\n")
    assert run("policy", "who-can", *files, "--tool", "nope").code == 4
    assert run("policy", "who-can", *files, "--tool", "pay", "--arg", "n=many").code == 2
    done = run("policy", "what-can", *files, "--agent", "bot", "--json")
    assert (done.code, done.json["tools"], done.json["schema"]) == (0, ["pay", "see"], "nhictl.policy_what_can/v1")
    assert run("policy", "what-can", *files, "--agent", "idle").out == "idle may call nothing\n"
    assert run("policy", "what-can", *files, "--agent", "ghost").code == 4


def test_approvals_are_may_and_not_must(run: Run, tmp_path: Path) -> None:
    write(tmp_path, "gated.yaml", policy(5, **CLASSES))
    done = run("policy", "who-can", "--policy", "gated.yaml", "--registry", "agents.yaml", "--tool", "pay", "--json")
    assert sorted(region["level"] for region in done.json["regions"]) == ["approvable", "approvable", "permitted"]
    assert "(once approved)" in run("policy", "who-can", "--policy", "gated.yaml", "--tool", "pay").out
    gained = run("policy", "diff", "gated.yaml", "old.yaml", "--json").json["gained"]
    assert {region["old"]["reason"] for region in gained} == {"approval_required"}


def test_activation_shows_the_difference_and_refuses_what_is_gained(run: Run) -> None:
    assert run("init", "--trust-domain", "example.org").code == 0
    assert run("policy", "lint").code == 4
    assert run("policy", "activate", "old.yaml").code == 0
    refused = run("policy", "activate", "new.yaml", "--json")
    assert refused.code == 5
    assert (refused.json["schema"], refused.json["activated"]) == ("nhictl.policy_diff/v1", False)
    before = run("policy", "show", "--json").json
    assert run("policy", "activate", "new.yaml").out.endswith("if that is meant, say --accept-gained\n")
    assert run("policy", "show", "--json").json == before
    assert run("policy", "diff", "@active", "new.yaml", "--no-new-access").code == 1
    taken = run("policy", "activate", "new.yaml", "--accept-gained", "--json")
    assert (taken.code, taken.json["diff"]["verdict"]) == (0, "wider")
    narrower = run("policy", "activate", "old.yaml")
    assert narrower.code == 0
    assert narrower.out.startswith("- newly denied:  pay ? agent.name=bot & args.n>5&args.n<=9\n")
    assert run("policy", "lint").out == "0 errors, 0 warnings, 0 notes\n"
    assert run("policy", "who-can", "--tool", "pay").code == 1, "nobody is registered"
    assert run("audit", "verify").code == 0
