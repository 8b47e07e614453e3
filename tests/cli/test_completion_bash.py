"""bash completion in a real bash: its function called as readline would, and keys typed at a terminal."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from nhictl.cli.completion_scripts import bash
from nhictl.cli.tree import TREE
from tests.cli.hostile import HOSTILE
from tests.cli.terminal import shell, typed

SCRIPT = Path(__file__).parents[2] / "completions" / "nhictl.bash"
BASH = shutil.which("bash") or ""
ASK = """
source "$1" || exit 9
shift
compopt() { echo "compopt $*"; }
nhictl() { echo called; }
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_nhictl
((${#COMPREPLY[@]} == 0)) || printf '%s\\n' "${COMPREPLY[@]}"
"""
pytestmark = pytest.mark.skipif(not BASH, reason="no bash here")


def ask(*words: str, script: Path = SCRIPT) -> list[str]:
    """What is offered for the last of the words."""
    done = subprocess.run(
        [BASH, "--norc", "--noprofile", "-c", ASK, "bash", str(script), *words],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def broken(line: str) -> list[str]:
    """The words of a line as readline breaks it: also around `=` and `:`."""
    return [part for word in line.split(" ") for part in (re.findall(r"[=:]+|[^=:]+", word) or [""])]


HOSTILE_WORDS = ["$(touch pwned)", "`touch pwned`", "'; touch pwned; '", "*", "[a", "\\", '"', "-", "=", "(", "$x["]
FORMATS = "table json jsonl csv tsv markdown"
CASES = [
    ("", " ".join(TREE)),
    ("to", "token"),
    ("x", ""),
    ("token ", "issue exchange delegate verify inspect revoke list show"),
    ("token re", "revoke"),
    ("nonsense ", ""),
    ("--home /x to", "token"),
    ("--home=/x to", "token"),
    ("-o json to", "token"),
    ("-ojson to", "token"),
    ("--json to", "token"),
    ("token --json ve", "verify"),
    ("token --store sqlite:///x ve", "verify"),
    ("-o js", "json jsonl"),
    ("-o ", FORMATS),
    ("-ojs", "-ojson -ojsonl"),
    ("--output js", "json jsonl"),
    ("token list -o t", "table tsv"),
    ("--no", "--no-color"),
    ("--ou", "--output"),
    ("token verify --to", "--token-file --tool"),
    ("token verify --no", "--no-color"),
    ("token verify --audience https://api.example.org --too", "--tool"),
    ("token verify --audience ", ""),
    ("token verify --arg a=b --too", "--tool"),
    ("token verify --token-file ", "compopt -o default"),
    ("token verify --token-file=", "compopt -o default"),
    ("--home ", "compopt -o dirnames"),
    ("audit replay --view ", "timeline tree scope delegation"),
    ("audit replay --view t", "timeline tree"),
    ("audit replay --format n", "nhictl"),
    ("audit replay x.json --vi", "--view"),
    ("audit import --format c", "claude-code codex cloudtrail"),
    ("audit export --to ", "native"),
    ("audit verify ", "compopt -o default"),
    ("audit verify a.jsonl --anc", "--anchor"),
    ("policy activate a.yaml ", "compopt -o default"),
    ("policy activate a.yaml b", "compopt -o default"),
    ("agent register --trust ", "0 1 2 3"),
    ("agent show ", ""),
    ("agent show bot --a", "--at"),
    ("completion ", "bash zsh fish"),
    ("completion z", "zsh"),
    ("completion zsh -o c", "csv"),
    ("token revoke --dry-run --rea", "--reason"),
    ("token revoke -- --rea", ""),
]


@pytest.mark.parametrize(("line", "expected"), CASES, ids=[line for line, _ in CASES])
def test_offers(line: str, expected: str) -> None:
    offered = [expected] if expected.startswith("compopt") else expected.split()
    assert ask("nhictl", *broken(line)) == offered
    if "=" not in line.rsplit(" ", maxsplit=1)[-1]:
        assert ask("nhictl", *line.split(" ")) == offered  # where readline breaks at blanks only


def test_values_after_an_equals_sign() -> None:
    assert ask("nhictl", "--output", "=", "js") == ["json", "jsonl"]
    assert ask("nhictl", "--output", "=") == FORMATS.split()
    assert ask("nhictl", "--output=js") == ["--output=json", "--output=jsonl"]
    assert ask("nhictl", "--output", "=", "json", "to") == ["token"]
    assert ask("nhictl", "--json", "=", "x") == []


@pytest.mark.parametrize("word", HOSTILE_WORDS)
def test_whatever_stands_on_the_line(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (
        (word,),
        (word, ""),
        ("token", word),
        ("--home", word, "to"),
        ("-o", word),
        ("token", "show", word, ""),
    ):
        ask("nhictl", *words)
    assert list(tmp_path.iterdir()) == []


def test_it_minds_no_settings_of_the_user() -> None:
    before = "set -u; set -f; IFS=,; shopt -s failglob nocasematch extglob;"
    done = subprocess.run(
        [BASH, "--norc", "-c", before + ASK, "bash", str(SCRIPT), "nhictl", "token", "ve"],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("verify\n", "")


def test_hostile_descriptions(tmp_path: Path) -> None:
    path = tmp_path / "hostile.bash"
    path.write_text(bash.script(HOSTILE), encoding="utf-8")
    assert ask("nhictl", "", script=path) == ["plain", "hostile"]
    assert ask("nhictl", "hostile", "--d", script=path) == ["--danger", "--dare"]


def test_keys_typed_at_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "my note.txt").write_text("")
    (tmp_path / "folder").mkdir()
    setup = f"bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; source '{SCRIPT}'"
    with shell([BASH, "--norc", "--noprofile", "-i"], tmp_path, setup) as terminal:
        assert typed(terminal, "nhictl tok\tver\t--aud\tx") == "<token><verify><--audience><x>"
        assert typed(terminal, "nhictl --output=ma\tage\tli\t") == "<--output=markdown><agent><list>"
        assert typed(terminal, "nhictl audit verify --anchor my\t") == "<audit><verify><--anchor><my note.txt>"
        assert typed(terminal, "nhictl audit verify --anchor=my\t") == "<audit><verify><--anchor=my note.txt>"
        assert typed(terminal, "nhictl --home fol\t tas\tli\t") == "<--home><folder/><task><list>"
