"""Every sample runs, and the README's commands do what it says, in the order it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.make_sample_log import make

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"


def shell(script: str, home: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run a script in the checkout as its reader would, with `nhictl` being this code."""
    tools = tmp_path / "bin"
    tools.mkdir(exist_ok=True)
    program = tools / "nhictl"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nhictl "$@"\n')
    program.chmod(0o755)
    env = {k: v for k, v in os.environ.items() if not k.startswith("NHICTL_")}
    env |= {"PATH": f"{tools}:{env['PATH']}", "NHICTL_HOME": str(home), "PYTHONPATH": str(ROOT)}
    return subprocess.run(["bash", "-ec", script], cwd=ROOT, env=env, capture_output=True, text=True)


def blocks() -> list[str]:
    return re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_readme_opens_with_the_two_commands() -> None:
    first, second = blocks()[:2]
    assert first.strip().splitlines() == [
        "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/nhictl demo"
    ]
    assert second.strip().endswith(".venv/bin/python -m pytest")
    assert "\n" not in second.strip()


def test_readme_story_runs_as_written(tmp_path: Path) -> None:
    done = shell(blocks()[2], tmp_path / "home", tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any(line.startswith("allowed: pay.send by invoice-bot") for line in lines)
    assert any(re.fullmatch(r"task t-\w{16} killed; live tokens that ended with it: 1", line) for line in lines)
    assert lines[-2].startswith("VERIFIED_UNANCHORED: 10 records")
    assert not done.stderr


def test_readme_files_only_story_needs_no_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = shell(blocks()[3], home, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "would allow: permitted by AP-002" in done.stdout
    assert "6 calls: 5 unchanged, 1 revoked" in done.stdout
    assert "revoked: pay.send #2 of invoice-bot in invoice-bot-attacked" in done.stdout
    assert "VERIFIED: " in done.stdout
    assert not home.exists()


def test_readme_trust_story(tmp_path: Path) -> None:
    home, out = tmp_path / "home", tmp_path / "public"
    before = shell(blocks()[2].split("nhictl task kill")[0], home, tmp_path)
    assert before.returncode == 0, before.stderr
    script = "TASK=$(nhictl task list -o jsonl | python3 -c 'import json; print(json.loads(input())[\"id\"])')\n"
    trust = next(block for block in blocks() if "trust publish" in block)
    done = shell(f"cd {tmp_path}\n{script}{trust}", home, tmp_path)  # it writes a key where it stands
    assert done.returncode == 0, done.stderr
    assert (out / "jwks.json").is_file()
    assert len([line for line in done.stdout.splitlines() if line.startswith("eyJ") and line.count(".") == 2]) == 1
    assert (tmp_path / "svid.pem").read_text().startswith("-----BEGIN CERTIFICATE-----")


def test_readme_report_story(tmp_path: Path) -> None:
    home = tmp_path / "home"
    before = shell(blocks()[2], home, tmp_path)
    assert before.returncode == 0, before.stderr
    report = next(block for block in blocks() if "report controls" in block)
    done = shell(f"cd {tmp_path}\n{report}", home, tmp_path)  # it writes a page where it stands
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "story.html").read_text().startswith("<!DOCTYPE html>")
    assert "flowchart LR" in done.stdout
    assert "NHI7 Long-Lived Secrets: no token lives beyond its limit" in done.stdout


def test_readme_run_story(tmp_path: Path) -> None:
    home = tmp_path / "home"
    before = shell(blocks()[2].split("TASK=")[0], home, tmp_path)
    assert before.returncode == 0, before.stderr
    run = next(block for block in blocks() if "nhictl run" in block)
    done = shell(run, home, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("valid: invoice-bot for task t-")


def test_readme_guard_story(tmp_path: Path) -> None:
    home = tmp_path / "home"
    setup = (
        "nhictl init --trust-domain example.org\nnhictl policy activate samples/coding-agent.policy.yaml\n"
        "nhictl agent register coder --owner dev@example.org --purpose code --group coding-agents\n"
    )
    before = shell(setup, home, tmp_path)
    assert before.returncode == 0, before.stderr
    story = next(block for block in blocks() if "guard install" in block)
    (tmp_path / "server.py").write_text("")
    done = shell(f"cd {tmp_path}\n{story}", home, tmp_path)
    assert done.returncode == 0, done.stderr
    assert any(line.startswith("on  claude-code in ") for line in done.stdout.splitlines())
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "agent.py").write_text("\n".join(code) + "\nprint(read('/srv/shop/x'))\n")
    opened = "export NHICTL_TASK=$(nhictl task open --agent coder --intent code --purpose x --allow Bash)"
    done = shell(f"{opened}\n{sys.executable} {tmp_path}/agent.py", home, tmp_path)
    assert "DeniedError: `Read` is denied" in done.stderr  # that task may use the shell alone
    assert "Bash" not in done.stderr


def test_readme_exit_table_is_the_code(tmp_path: Path) -> None:
    from nhictl import errors

    text = (ROOT / "README.md").read_text()
    stated = {int(n) for n in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    known = {
        kind.exit for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.NhictlError)
    }
    assert stated == known | {0, 1}


def test_the_incident_is_made_by_its_program(tmp_path: Path) -> None:
    for name, data in make(tmp_path / "home").items():
        assert (SAMPLES / "incident" / name).read_bytes() == data, f"{name}: run python -m tests.tools.make_sample_log"


def test_the_incident_tells_its_story(tmp_path: Path) -> None:
    run = "nhictl audit replay samples/incident/log.jsonl --keys samples/incident/log.keys -o json"
    done = shell(run, tmp_path / "home", tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["integrity"]["verdict"] == "VERIFIED_UNANCHORED"
    uses = [
        (e["type"], e["decision"]["reason"]) for e in told["events"] if e["type"].startswith("token.") and e["decision"]
    ]
    assert uses == [
        ("token.used", "permitted"),
        ("token.denied", "authz_insufficient"),
        ("token.used", "permitted"),
        ("token.denied", "agent_suspended"),
    ]
    assert all(e["args"] is None for e in told["events"])  # content stays at home


@pytest.mark.parametrize("name", ["log.jsonl"])
def test_no_content_in_an_exported_log(name: str) -> None:
    text = (SAMPLES / "incident" / name).read_text()
    for secret in ("DE89370400440532013000", "GB33BUKB", "invoice 118", "nobody knows", "mira@example.org"):
        assert secret not in text


def test_the_examples_of_policy_verbs_work_when_typed(tmp_path: Path) -> None:
    """In the checkout, with the samples' agents registered and their policy in force."""
    home = tmp_path / "home"
    begun = "nhictl init --trust-domain example.org && nhictl agent apply samples/agents.yaml"
    assert (
        shell(f"({begun}) >/dev/null && nhictl policy activate samples/payments.policy.yaml", home, tmp_path).returncode
        == 0
    )
    examples = {
        verb.stem: example.replace(" >", f" >{tmp_path}/")
        for verb in sorted((ROOT / "nhictl/cli/policy").glob("*.py"))
        for example in re.findall(r"^    Example: (nhictl policy .*)$", verb.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(examples) == 13
    for verb, example in examples.items():
        done = shell(example, home, tmp_path)
        assert done.returncode == 0, (verb, done)
        assert done.stdout or ">" in example, (verb, done)
