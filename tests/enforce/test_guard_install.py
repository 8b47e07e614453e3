"""Putting a guard in front of a coding agent, proving that it is on, and taking it out: nobody else's settings change."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from nhictl.formats import agent_settings
from nhictl.ops.activate_policy import activate
from nhictl.ops.guard_session import FILE
from nhictl.ops.house import House
from nhictl.ops.register_agent import Registration, register
from tests.enforce.test_hook import POLICY
from tests.harness import Program, Ran

WHAT = ("--agent", "coder", "--intent", "code", "--purpose", "work here", "--allow", "Bash")
OTHERS: list[tuple[str, Any]] = [
    ("nothing", None),
    ("empty", {}),
    ("other settings", {"permissions": {"allow": ["Bash(ls)"]}, "model": "x", "n": 1.5}),
    ("other hooks", {"hooks": {"PreToolUse": [{"matcher": "Bash", "hooks": [{"type": "command", "command": "lint"}]}],
                               "Stop": [{"hooks": []}], "Notification": []}}),
]  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = tmp_path / "it's a project"
    made.mkdir()
    return made


@pytest.fixture
def guard(nhictl: Program, house: House, project: Path, tmp_path: Path) -> Any:
    activate(house, [("policy.yaml", json.dumps(POLICY).encode())])
    register(house, Registration("coder", "dev@example.org", "writes code"), None, None)
    house.close()

    def run(*words: str) -> Ran:
        env = {"CLAUDE_CONFIG_DIR": str(tmp_path / "user"), "CODEX_HOME": str(tmp_path / "codex")}
        where = ("--project", str(project)) if words[0] == "install" else ()
        return nhictl("guard", *words, *where, home=house.home, env=env)

    return run


@pytest.mark.parametrize(
    ("host", "before"), [*(("claude-code", row[1]) for row in OTHERS), ("codex", OTHERS[-1][1])],
    ids=[*(row[0] for row in OTHERS), "codex"],
)  # fmt: skip
def test_in_and_out_leaves_everything_as_it_was(guard: Any, project: Path, host: str, before: Any) -> None:
    path = project / agent_settings.PROJECT_FILE[host]
    if before is not None:
        path.parent.mkdir()
        path.write_text(json.dumps(before))
        path.chmod(0o640)
    assert guard("install", host, *WHAT).rc == 0
    first = path.read_bytes()
    assert path.stat().st_mode & 0o777 == (0o640 if before is not None else 0o600)
    kept = json.loads(first)
    assert {k: v for k, v in kept.items() if k != "hooks"} == {k: v for k, v in (before or {}).items() if k != "hooks"}
    assert set(agent_settings.EVENTS[host]) <= set(kept["hooks"])
    again = guard("install", host, *WHAT, "-o", "json")
    assert (again.rc, json.loads(again.out)["changed"]) == (0, False)
    assert path.read_bytes() == first
    assert guard("install", host, "--remove").rc == 0
    assert json.loads(path.read_bytes()) == (before or {})
    assert guard("install", host, "--remove").rc == 4


def test_the_status_is_what_was_seen(guard: Any, project: Path, house: House) -> None:
    assert guard("status").rc == 4
    assert guard("install", "claude-code", *WHAT).rc == 0
    ran = guard("status", "-o", "json")
    (item,) = json.loads(ran.out)["items"]
    assert (ran.rc, item["on"], item["probe"], item["missing"], item["separation"]) == (0, True, "denied", [], "none")
    path = project / agent_settings.PROJECT_FILE["claude-code"]
    good = path.read_text()

    def seen(settings: str) -> tuple[int, bool, str]:
        path.write_text(settings)
        ran = guard("status", "-o", "json")
        (item,) = json.loads(ran.out)["items"]
        return ran.rc, item["on"], item["probe"]

    witness = project / "ran"
    evil = json.loads(good)
    evil["hooks"]["PreToolUse"][0]["hooks"][0]["command"] = f"touch '{witness}' {agent_settings.MARK}"
    assert seen(json.dumps(evil)) == (1, False, "not asked")
    assert not witness.exists()  # a command that an agent wrote is not run to look what it does
    assert seen(json.dumps(json.loads(good) | {"disableAllHooks": True})) == (1, False, "not asked")
    fewer = json.loads(good)
    del fewer["hooks"]["PostToolUse"]
    assert seen(json.dumps(fewer)) == (1, False, "denied")
    narrow = json.loads(good)
    narrow["hooks"]["PreToolUse"][0]["matcher"] = "Bash"
    assert seen(json.dumps(narrow)) == (1, False, "not asked")
    assert seen("{}") == (1, False, "not asked")
    assert seen("{") == (1, False, "unknown")
    assert seen(good) == (0, True, "denied")
    (house.home / "kek").chmod(0o644)
    path.write_text(good)
    assert guard("status").rc == 6  # this home is not fit to say anything
    (house.home / "kek").chmod(0o600)


def test_the_installed_command_blocks_whatever_goes_wrong(guard: Any, project: Path, house: House) -> None:
    import subprocess

    assert guard("install", "claude-code", *WHAT).rc == 0
    command = json.loads((house.home / FILE).read_text())["projects"][0]["command"]
    event = {"hook_event_name": "PreToolUse", "session_id": "s", "cwd": str(project), "tool_name": "Bash",
             "tool_input": {"command": "ls"}, "tool_use_id": "t"}  # fmt: skip

    def run(
        text: str = command, env: dict[str, str] | None = None, stdin: str = json.dumps(event), cwd: Path | None = None
    ) -> tuple[int, str, str]:
        done = subprocess.run(
            ["/bin/sh", "-c", text],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=cwd,
            env=dict(os.environ) | (env or {}),
        )
        return done.returncode, done.stdout, done.stderr

    deny = run(stdin=json.dumps(event | {"tool_input": {"command": "rm"}}))
    assert (deny[0], "not_permitted" in deny[2]) == (2, True)  # nothing that a login shell prints first spoils it
    code, out, _ = run()
    assert (code, json.loads(out)["hookSpecificOutput"]["permissionDecision"]) == (0, "allow")
    program = sys.executable
    assert f"{program} -P -m nhictl " in command  # -P: no module of the folder passes for ours
    evil = project / "nhictl"
    evil.mkdir()
    (evil / "__main__.py").write_text("print('{}')")
    assert run(cwd=project)[0] == 0
    broken: list[tuple[int, str, str]] = [
        run(command.replace(program, "/nowhere/python")),  # no such program
        run(command.replace(program, "/etc/passwd")),  # nothing that can be run
        run(env={"PYTHONHOME": "/nowhere"}),  # an interpreter that does not start
        run(command.replace("-m nhictl", '-c "raise SystemExit(1)"')),
        run(command.replace("-m nhictl", '-c "import os; os.kill(os.getpid(), 9)"')),
        run(
            command.replace(" 40 ", " 0.2 ").replace("-m nhictl", '-c "import time; time.sleep(60)"')
        ),  # nothing starts
        run(stdin=""),
        run(stdin="{"),
        run(command.replace(str(house.home), "/nowhere/home")),
    ]
    for shell in filter(shutil.which, ("bash", "dash", "zsh", "fish")):  # whichever the host takes
        done = subprocess.run(
            [shell, "-c", command.replace(str(house.home), "/nowhere")], input=b"{}", capture_output=True
        )
        assert (done.returncode, done.stdout) == (2, b""), shell
    for code, out, err in broken:
        assert (code, out) == (2, ""), err
        assert err.strip()  # a host takes no silence for a reason


def test_links_are_followed_and_what_is_no_settings_file_is_left_alone(
    guard: Any, project: Path, tmp_path: Path
) -> None:
    path = project / agent_settings.PROJECT_FILE["claude-code"]
    path.parent.mkdir()
    (tmp_path / "dotfiles.json").write_text("{}")
    path.symlink_to(tmp_path / "dotfiles.json")
    assert guard("install", "claude-code", *WHAT).rc == 0
    assert path.is_symlink()
    assert "hooks" in json.loads((tmp_path / "dotfiles.json").read_text())
    for wrong in ("{", "[]", '{"hooks": []}', '{"hooks": {"PreToolUse": [5]}}', '{"a": 1, "a": 2}', "{} // comment"):
        (tmp_path / "dotfiles.json").write_text(wrong)
        assert guard("install", "claude-code", *WHAT).rc == 2
        assert (tmp_path / "dotfiles.json").read_text() == wrong


def test_what_is_no_project_is_refused_before_anything_is_written(guard: Any, project: Path, house: House) -> None:
    for words in (
        ("claude-code", "--agent", "nobody", *WHAT[2:]), ("claude-code", *WHAT[:-1], "Bash?"), ("emacs", *WHAT),
        ("claude-code", "--agent", "coder", "--intent", "Not A Slug", *WHAT[4:]), ("claude-code", *WHAT[:6]),
        ("claude-code", *WHAT, "--remove"), ("claude-code", *WHAT, "--deadline", "0s"),
    ):  # fmt: skip
        assert guard("install", *words).rc in (2, 4), words
        assert not (project / ".claude").exists()
        assert not (house.home / FILE).exists()


def test_printing_writes_nothing(guard: Any, project: Path, house: House) -> None:
    ran = guard("install", "claude-code", *WHAT, "--print")
    assert ran.rc == 0
    assert set(agent_settings.EVENTS["claude-code"]) == set(json.loads(ran.out)["hooks"])
    assert not (project / ".claude").exists()
    assert not (house.home / FILE).exists()
