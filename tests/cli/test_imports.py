"""Start-up is a feature: what the hot commands must not import, and help that imports no verb."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.cli_help import AUDIENCE, Program

ROOT = Path(__file__).parents[2]
HEAVY = {"rich", "jwt", "yaml", "tabulate", "pydantic", "http", "asyncio"}


def imported(program: Program, *argv: str, stdin: str = "") -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """Run a process and tell which modules it imported."""
    env = {**os.environ, "NHICTL_HOME": str(program.home), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "nhictl", *argv],
        input=stdin, capture_output=True, text=True, env=env, timeout=60,
    )  # fmt: skip
    names = set(re.findall(r"^import time:[ \d]+\|[ \d]+\| *([\w.]+)$", done.stderr, re.MULTILINE))
    assert "nhictl.cli.main" in names
    return done, names


def heavy(names: set[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] in HEAVY}


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_issue(governed: Program, more: tuple[str, ...]) -> None:
    done, names = imported(governed, "token", "issue", "--task", governed.task(), "--audience", AUDIENCE, *more)
    assert done.returncode == 0
    assert heavy(names) == set()
    custody = {f"nhictl.store.{name}" for name in ("custody", "passphrase", "helper")} | {"nhictl.ops.key_custody"}
    assert names & custody == set(), "the key lies in its file: nobody is asked"


@pytest.mark.parametrize("more", [(), ("--json",), ("--explain",)])
def test_policy_check(governed: Program, more: tuple[str, ...]) -> None:
    call = ("--agent", "report-bot", "--intent", "report", "--tool", "reports.read", "--arg", "limit=10")
    done, names = imported(governed, "policy", "check", *call, *more)
    assert done.returncode == 0
    assert heavy(names) == set()


@pytest.mark.parametrize("more", [(), ("--consume",), ("--json",)])
def test_verify(governed: Program, more: tuple[str, ...]) -> None:
    token = governed.token(governed.task())
    call = ("--tool", "reports.read", "--arg", "limit=10")
    done, names = imported(governed, "token", "verify", "--audience", AUDIENCE, *call, *more, stdin=token)
    assert done.returncode == 0
    assert heavy(names) == set()


@pytest.mark.parametrize("argv", [("--help",), ("token", "--help"), ("--version",), ("nonsense",), ()])
def test_help_imports_no_verb(program: Program, argv: tuple[str, ...]) -> None:
    _, names = imported(program, *argv)
    verbs = {name for name in names if re.match(r"nhictl\.cli\.(agent|task|token|policy|audit)\b", name)}
    assert verbs | (names & {"nhictl.cli.init", "nhictl.cli.demo", "nhictl.cli.completion"}) == set()
    assert heavy(names) == set()


def test_the_check_can_fail(governed: Program) -> None:
    """The same look at a command that reads YAML does see it."""
    policy = governed.folder / "policy.yaml"
    _, names = imported(governed, "policy", "activate", str(policy))
    assert heavy(names) >= {"yaml"}
