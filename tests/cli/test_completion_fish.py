"""fish completion asked of a real fish; skipped where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from nhictl.cli.completion_scripts import fish
from tests.cli.hostile import HOSTILE, TEXT

SCRIPT = Path(__file__).parents[2] / "completions" / "nhictl.fish"
FISH = shutil.which("fish") or ""
pytestmark = pytest.mark.skipif(not FISH, reason="no fish here")


def ask(folder: Path, *lines: str, script: Path = SCRIPT) -> list[dict[str, str]]:
    """For each line the words offered with their descriptions; a program nhictl on the way would leave a trace."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "nhictl").write_text("#!/bin/sh\n: >called\n")
    (programs / "nhictl").chmod(0o755)
    code = "source $argv[1]; for line in $argv[2..-1]; complete -C $line; echo ====; end"
    env = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder),
           "PATH": f"{programs}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}  # fmt: skip
    done = subprocess.run(
        [FISH, "--no-config", "-c", code, str(script), *lines], capture_output=True, text=True, env=env, cwd=folder, timeout=60
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert not (folder / "called").exists()
    answers = done.stdout.split("====\n")[:-1]
    return [{line.partition("\t")[0]: line.partition("\t")[2] for line in text.splitlines()} for text in answers]


def test_syntax() -> None:
    subprocess.run([FISH, "--no-execute", str(SCRIPT)], check=True, timeout=30)


CASES = {
    "nhictl to": "token",
    "nhictl --home /x to": "token",
    "nhictl -o json to": "token",
    "nhictl --json to": "token",
    "nhictl token re": "revoke",
    "nhictl token --json re": "revoke",
    "nhictl token ": "delegate exchange inspect issue list revoke show verify",
    "nhictl nonsense ": "",
    "nhictl -o js": "json jsonl",
    "nhictl token list -o js": "json jsonl",
    "nhictl token list --output ma": "markdown",
    "nhictl --output=ma": "--output=markdown",
    "nhictl token verify --to": "--token-file --tool",
    "nhictl token verify --audience ": "",
    "nhictl audit replay --view ": "timeline tree scope delegation",
    "nhictl audit replay --format n": "nhictl",
    "nhictl agent register --trust ": "0 1 2 3",
    "nhictl completion ": "bash fish zsh",
    "nhictl completion zsh ": "",
    "nhictl agent show ": "",
    "nhictl agent list my": "",
    "nhictl audit verify my": "my note.txt",
    "nhictl audit verify --anchor my": "my note.txt",
    "nhictl policy activate x my": "my note.txt",
    "nhictl --home pro": "programs/",
}


def test_offers(tmp_path: Path) -> None:
    (tmp_path / "my note.txt").write_text("")
    for (line, expected), offered in zip(CASES.items(), ask(tmp_path, *CASES), strict=True):
        words = [expected] if "note" in expected else expected.split()
        assert sorted(word.replace("\\ ", " ") for word in offered) == sorted(words), line


def test_descriptions_are_shown(tmp_path: Path) -> None:
    nouns, options = ask(tmp_path, "nhictl to", "nhictl token issue --aud")
    assert nouns == {"token": "issue, verify and revoke per-task tokens"}
    assert options == {"--audience": "who is to accept it: exactly one"}


def test_hostile_descriptions(tmp_path: Path) -> None:
    path = tmp_path / "hostile.fish"
    path.write_text(fish.script(HOSTILE), encoding="utf-8")
    words, options = ask(tmp_path, "nhictl h", "nhictl hostile --da", script=path)
    assert words == {"hostile": TEXT}
    assert options == {"--danger": TEXT, "--dare": TEXT}
    assert not (tmp_path / "pwned").exists()
