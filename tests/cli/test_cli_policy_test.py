"""`nhictl policy test` as a pipeline runs it: exit statuses, JUnit that an XML reader takes, and no home."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from nhictl.ops.test_policy import percent, run_tests

ROOT = Path(__file__).parents[2]
POLICY = {
    "nhictl_policy": 1,
    "tools": {"t": {"args": {"n": "integer"}}},
    "rules": [{"id": "A", "effect": "permit", "when": {"args.n": {"lte": 5}}}],
}
AGENTS = {"nhictl_agents": 1, "agents": [{"name": "bot", "owner": "o@x.example", "purpose": "p"}]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "p.yaml").write_text(json.dumps(POLICY))
    (tmp_path / "agents.yaml").write_text(json.dumps(AGENTS))
    return tmp_path


def write(folder: Path, *cases: tuple[str, int, str], policy: str = "p.yaml") -> str:
    made = [
        {"name": name, "request": {"agent": "bot", "tool": "t", "args": {"n": n}}, "expect": {"decision": decision}}
        for name, n, decision in cases
    ]
    whole = {
        "nhictl_policy_test": 1, "policy": [policy], "registry": "agents.yaml", "now": "2026-11-23T12:00:00Z", "cases": made,
    }  # fmt: skip
    (folder / "t.yaml").write_text(json.dumps(whole))
    return str(folder / "t.yaml")


def run(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    env = {"NHICTL_HOME": str(folder / "home"), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "nhictl", "policy", "test", *argv]
    done = subprocess.run(
        command, capture_output=True, text=True, env=env, cwd=ROOT, check=False
    )  # fmt: skip
    assert not (folder / "home").exists()
    return done


def test_passed_failed_and_too_little_seen(folder: Path) -> None:
    done = run(folder, write(folder, ("low", 5, "allow"), ("high", 6, "deny")), "--min-coverage", "100")
    assert (done.returncode, done.stdout) == (
        0,
        "ok     low\nok     high\n2 passed, 0 failed, 100 % of outcomes seen\n",
    )
    done = run(folder, write(folder, ("low", 5, "allow")), "--min-coverage", "70%")
    assert done.returncode == 1
    assert done.stdout.splitlines()[1:] == [
        "unseen A: args.n lte: false", "1 passed, 0 failed, 66.6 % of outcomes seen, at least 70 wanted"
    ]  # fmt: skip
    assert run(folder, write(folder, ("low", 5, "allow")), "--min-coverage", "66.6").returncode == 0
    done = run(folder, write(folder, ("low", 5, "deny"), ("high", 6, "deny")))
    assert done.returncode == 1
    assert 'decision expected "deny", got "allow"' in done.stdout.splitlines()[1]


def test_json_says_what_was_expected_and_what_was_got(folder: Path) -> None:
    said = json.loads(run(folder, write(folder, ("low", 5, "deny")), "--json").stdout)
    assert (said["schema"], said["passed"], said["failed"]) == ("nhictl.policy_test/v1", 0, 1)
    assert said["cases"][0]["expected"] == {"decision": "deny"}
    assert said["cases"][0]["got"] == {"decision": "allow"}
    assert said["coverage"]["percent"] == 66.6


def test_junit_is_xml_whatever_a_name_holds(folder: Path) -> None:
    odd = 'a<b>&"é]]>'
    done = run(folder, write(folder, (odd, 5, "deny"), ("fine", 5, "allow")), "-o", "junit", "--min-coverage", "99")
    assert done.returncode == 1
    root = ET.fromstring(done.stdout)
    assert (root.get("tests"), root.get("failures")) == ("3", "2")
    cases = root.findall("./testsuite/testcase")
    assert [case.find("failure") is not None for case in cases] == [True, False, True]
    assert cases[0].get("name") == odd


def test_junit_holds_nothing_that_xml_or_a_terminal_would_trip_over() -> None:
    from nhictl.render.junit import JunitCase, junit

    text = junit("t", [JunitCase("s", "\u202e\x1b[31m\u0085\ud800", "a\x00b\nc")])
    case = ET.fromstring(text).find("./testsuite/testcase")
    assert case is not None
    assert case.get("name") == "\\u202e\\u001b[31m\\u0085\\ud800"
    failure = case.find("failure")
    assert failure is not None
    assert (failure.get("message"), failure.text) == ("a\\u0000b", "a\\u0000b\nc")


@pytest.mark.parametrize(
    ("policy", "argv", "why"),
    [
        ("none.yaml", (), "cannot read"),
        ("agents.yaml", (), "`nhictl_policy: 1` is missing"),
        ("p.yaml", ("--min-coverage", "101"), "no percentage"),
        ("p.yaml", ("--min-coverage", "nan"), "no percentage"),
        ("p.yaml", ("-o", "sarif"), "no output format `sarif`"),
    ],
)
def test_what_the_caller_got_wrong(folder: Path, policy: str, argv: tuple[str, ...], why: str) -> None:
    done = run(folder, write(folder, ("low", 5, "allow"), policy=policy), *argv)
    assert done.returncode == 2
    assert why in done.stderr
    assert not done.stdout


def test_only_this_command_writes_junit(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nhictl", "init", "--trust-domain", "example.org", "-o", "junit", "--home", str(folder / "h")],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "no output format `junit`" in done.stderr
    assert not (folder / "h").exists()


def test_the_sample_passes_and_covers_every_rule() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nhictl", "policy", "test", "samples/payments.test.yaml", "--min-coverage", "100", "--json"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert all(row["applied"] for row in json.loads(done.stdout)["coverage"]["rules"])


def test_the_treasury_passes_and_covers_everything() -> None:
    report = run_tests(str(ROOT / "samples/treasury.test.yaml"), lambda name, _: Path(name).read_bytes())
    assert [outcome.case.name for outcome in report.outcomes if outcome.wrong] == []
    assert percent([report]) == 100
    assert {"L-TASK", "L-DAY", "L-CALLS"} <= {row["rule"] for row in report.coverage}
