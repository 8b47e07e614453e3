"""Separation is claimed only where the kernel shows it; and with real users and sudo it is what the sample promises."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from nhictl.ops import separation
from nhictl.ops.separation import Process
from tests.harness import ROOT, Program
from tests.ops.users_stage import AGENT, AGENT_UID, OWNER, OWNER_UID, Stage, stage

ME, SHELL, SUDO, AGENT_PID = 100, 90, 80, 70
HOME, OTHER, ROOT_UID, NOBODY = 1000, 2000, 0, 65534
PTRACE = 1 << 19
FULL = (1 << 41) - 1
BIND_SERVICE = 1 << 10


def same(parent: int, uid: int, powers: int = 0) -> Process:
    """A process all of whose user ids are one."""
    return Process(parent, (uid,) * 4, powers)


CHAINS: dict[str, tuple[dict[int, Process], str]] = {
    "another user's agent through sudo": (
        {ME: same(SUDO, HOME), SUDO: Process(SHELL, (OTHER, 0, 0, 0), FULL), SHELL: same(1, OTHER)}, "user",
    ),
    "an agent that became sudo itself": (
        {ME: same(SUDO, HOME), SUDO: Process(SHELL, (OTHER, 0, 0, 0), FULL), SHELL: same(1, 0)}, "user",
    ),
    "the owner that became sudo itself": (
        {ME: same(SUDO, HOME), SUDO: Process(SHELL, (HOME, 0, 0, 0), FULL), SHELL: same(1, 0)}, "none",
    ),
    "through sudo, by one who can trace the owner": (
        {ME: same(SUDO, HOME), SUDO: Process(SHELL, (OTHER, 0, 0, 0), FULL), SHELL: same(1, OTHER, PTRACE)}, "none",
    ),
    "the owner as another, then as itself": (
        {ME: same(SUDO, HOME), SUDO: Process(SHELL, (OTHER, 0, 0, 0), FULL), SHELL: same(1, HOME)}, "none",
    ),
    "sudo that shows itself as root": ({ME: same(SUDO, HOME), SUDO: same(SHELL, 0), SHELL: same(1, OTHER)}, "user"),
    "sudo with a terminal of its own": (
        {ME: same(SUDO, HOME), SUDO: same(SUDO - 1, 0), SUDO - 1: same(SHELL, 0), SHELL: same(1, OTHER)}, "user",
    ),
    "another user's process as parent": ({ME: same(SHELL, HOME), SHELL: same(1, OTHER)}, "user"),
    "a harmless capability": ({ME: same(SHELL, HOME), SHELL: same(1, OTHER, BIND_SERVICE)}, "user"),
    "the owner's own shell": ({ME: same(SHELL, HOME), SHELL: same(1, HOME)}, "none"),
    "the owner's agent, which an admin began": (
        {ME: same(AGENT_PID, HOME), AGENT_PID: same(SUDO, HOME), SUDO: same(SHELL, 0), SHELL: same(1, OTHER)}, "none",
    ),
    "the owner through sudo to itself": ({ME: same(SUDO, HOME), SUDO: same(SHELL, 0), SHELL: same(1, HOME)}, "none"),
    "root alone": ({ME: same(SUDO, HOME), SUDO: same(1, 0), 1: same(0, 0)}, "none"),
    "the owner's set-uid program in another's hands": (
        {ME: same(SHELL, HOME), SHELL: Process(1, (OTHER, HOME, HOME, HOME), 0)}, "none",
    ),
    "somebody changing users": ({ME: same(SHELL, HOME), SHELL: Process(1, (0, OTHER, 0, OTHER), 0)}, "none"),
    "another user who can trace the owner": ({ME: same(SHELL, HOME), SHELL: same(1, OTHER, PTRACE)}, "none"),
    "outside the user namespace": ({ME: same(SHELL, HOME), SHELL: same(1, NOBODY)}, "none"),
    "a parent in another pid namespace": ({ME: same(0, HOME)}, "none"),
    "a parent that is hidden": ({ME: same(SHELL, HOME)}, "none"),
    "nothing to be seen": ({}, "none"),
    "a chain without end": ({ME: same(SUDO, HOME), SUDO: same(SUDO, 0)}, "none"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_who_calls(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    chain, expected = CHAINS[name]
    monkeypatch.setattr(separation, "process", chain.get)
    monkeypatch.setattr(separation, "overflow_uid", lambda: NOBODY)
    monkeypatch.setattr(os, "geteuid", lambda: HOME)
    monkeypatch.setattr(os, "getpid", lambda: ME)
    assert separation.of_caller.__wrapped__().kind == expected


def test_a_parent_that_goes_away_while_we_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number may be somebody else's by the time it is looked at."""
    mine = iter([same(SHELL, HOME), same(1, HOME)])
    monkeypatch.setattr(separation, "process", lambda pid: next(mine) if pid == ME else same(1, OTHER))
    monkeypatch.setattr(os, "geteuid", lambda: HOME)
    monkeypatch.setattr(os, "getpid", lambda: ME)
    assert separation.of_caller.__wrapped__().kind == "none"


def test_the_kernel_is_read_as_it_writes() -> None:
    me = separation.process(os.getpid())
    assert me is not None
    assert (me.parent, me.uids[:2]) == (os.getppid(), (os.getuid(), os.geteuid()))
    assert separation.process(0) is None
    assert separation.process(2**22 + 1) is None


def test_what_the_environment_claims_is_not_heard(governed_home: tuple[Program, str]) -> None:
    nhictl, token = governed_home
    claims = {"SUDO_UID": "4711", "SUDO_USER": "agent", "USER": "agent", "LOGNAME": "agent"}
    ran = nhictl("token", "verify", "--audience", "https://a", "--consume", stdin=token, env=claims)
    assert ran.rc == 0
    assert newest_check(nhictl)["ext"]["separation"] == "none"
    assert newest_check(nhictl)["actor"]["id"] == f"uid:{os.geteuid()}"


def test_a_denial_says_it_too(governed_home: tuple[Program, str]) -> None:
    nhictl, token = governed_home
    assert nhictl("token", "verify", "--audience", "https://b", "--consume", stdin=token).rc == 1
    assert newest_check(nhictl)["type"] == "token.denied"
    assert newest_check(nhictl)["ext"]["separation"] == "none"


@pytest.fixture
def governed_home(nhictl: Program) -> tuple[Program, str]:
    """A home with one live token."""
    assert nhictl("init", "--trust-domain", "example.org").rc == 0
    assert nhictl("agent", "register", "bot", "--owner", "o", "--purpose", "p").rc == 0
    task = nhictl("task", "open", "--agent", "bot", "--intent", "i", "--purpose", "p", "--allow", "a.b").out.strip()
    return nhictl, nhictl("token", "issue", "--task", task, "--audience", "https://a").out


def newest_check(nhictl: Program) -> dict[str, Any]:
    """The newest record of a live check, as it stands in the log."""
    lines = [json.loads(line) for line in nhictl("audit", "export").out.splitlines()[:-1]]
    found: dict[str, Any] = [line for line in lines if line["type"] in ("token.used", "token.denied")][-1]
    return found


def test_the_sample_parses() -> None:
    visudo = shutil.which("visudo") or shutil.which("visudo", path="/usr/sbin:/sbin")
    if visudo is None:
        pytest.skip("no visudo here")
    done = subprocess.run([visudo, "-c", "-f", ROOT / "samples" / "sudoers.nhictl"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.fixture(scope="module")
def users() -> Iterator[tuple[Stage, str]]:
    """The two users, a home of the owner's, and a token in the agent's hands."""
    for made in stage():
        assert made.owner("init", "--trust-domain", "example.org").rc == 0
        assert made.owner("agent", "register", "bot", "--owner", "o", "--purpose", "p").rc == 0
        policy = made.folder / "policy.yaml"
        policy.write_text(json.dumps(POLICY))
        assert made.owner("policy", "activate", str(policy)).rc == 0
        about = ("--agent", "bot", "--intent", "i", "--purpose", "p", "--allow", "pay.send")
        task = made.owner("task", "open", *about).out.strip()
        token = made.owner("token", "issue", "--task", task, "--audience", "https://a").out
        assert token.startswith("eyJ")
        yield made, token


POLICY = {
    "nhictl_policy": 1,
    "tools": {"pay.send": {"args": {"amount": "number"}}},
    "rules": [{"id": "R", "effect": "permit", "match": {"tools": ["pay.send"]}}],
}
CHECK = ("token", "verify", "--consume", "--audience", "https://a", "--tool", "pay.send", "--arg", "amount=120")


def test_an_agent_of_its_own_user_cannot_read_the_home(users: tuple[Stage, str]) -> None:
    made, _ = users
    for name in ("kek", "nhictl.db", "high-water"):
        ran = made.run(AGENT, "cat", made.home / name)
        assert (ran.rc, ran.out) == (1, ""), ran
        assert "Permission denied" in ran.err
    ran = made.run(AGENT, made.program, "--home", made.home, "agent", "list")
    assert (ran.rc, ran.out) == (6, ""), ran
    assert f"belongs to uid {OWNER_UID}" in ran.err


def test_its_checks_are_recorded_as_separate(users: tuple[Stage, str]) -> None:
    made, token = users
    ran = made.sudo(*CHECK, stdin=token)
    assert ran.rc == 0, ran
    assert ran.out.startswith("allowed: pay.send by bot")
    last = json.loads(made.owner("audit", "export").out.splitlines()[-2])
    assert (last["type"], last["ext"]["separation"]) == ("token.used", "user")
    assert last["actor"]["id"] == f"uid:{OWNER_UID}"
    mine = made.owner(*CHECK, stdin=token)
    assert mine.rc == 0
    last = json.loads(made.owner("audit", "export").out.splitlines()[-2])
    assert (last["type"], last["ext"]["separation"]) == ("token.used", "none")


@pytest.mark.parametrize(
    "argv",
    [
        ("agent", "list"),
        ("task", "open", "--agent", "bot", "--intent", "i", "--purpose", "p", "--allow", "a.b"),
        (*CHECK, "--token-file", "/etc/passwd"),
        (*CHECK, "--home", "/tmp"),
        (*CHECK, "--store", "sqlite:////tmp/x.db"),
        (*CHECK[:-1], "amount=1 --home=/tmp"),
        ("token", "verify", "--consume", "--audience", "--home", "--tool", "x"),
        ("token", "verify", "--audience", "https://a", "--tool", "pay.send"),
        ("doctor", "--accept-restore"),
    ],
)
def test_sudo_lets_nothing_else_through(users: tuple[Stage, str], argv: tuple[str, ...]) -> None:
    made, token = users
    before = made.owner("audit", "export").out
    ran = made.sudo(*argv, stdin=token)
    assert (ran.rc, ran.out) == (1, ""), ran
    assert "sudo:" in ran.err
    assert made.owner("audit", "export").out == before


def test_the_callers_environment_does_not_get_through(users: tuple[Stage, str]) -> None:
    made, token = users
    evil = made.folder / "evil"
    evil.mkdir()
    (evil / "sqlite3.py").write_text("raise SystemExit('taken over')\n")
    prefix = ("env", f"PYTHONPATH={evil}", "NHICTL_STORE=sqlite:////tmp/x.db", "NHICTL_OUTPUT=nonsense", "sudo", "-n")
    ran = made.run(AGENT, *prefix, "-u", OWNER, made.program, "--home", made.home, *CHECK, stdin=token)
    assert (ran.rc, ran.err) == (0, ""), ran
    asked = made.run(AGENT, "sudo", "-n", "-u", OWNER, "PYTHONPATH=/tmp", made.program, *CHECK, stdin=token)
    assert asked.rc == 1


def test_doctor_counts_them(users: tuple[Stage, str]) -> None:
    made, token = users
    made.sudo(*CHECK, stdin=token)
    checks = json.loads(made.owner("doctor", "-o", "json").out)["checks"]
    said = next(check for check in checks if check["id"] == "separation")
    assert "this call: none" in said["message"]
    assert f"the newest {made.owner('audit', 'export').out.count('token.used')} live checks" in said["message"]
    assert AGENT_UID != OWNER_UID
