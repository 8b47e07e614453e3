"""zsh completion in a real zsh at a terminal; skipped where there is none."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nhictl.cli.completion_scripts import zsh
from tests.cli.hostile import HOSTILE, TEXT
from tests.cli.terminal import Terminal, shell, typed

SCRIPT = Path(__file__).parents[2] / "completions" / "_nhictl"
ZSH = shutil.which("zsh") or ""
SETUP = (
    "unsetopt zle_bracketed_paste beep prompt_sp; LISTMAX=0; PS1='> '; zstyle ':completion:*' verbose yes;"
    " zstyle ':completion:*:descriptions' format 'message: %d'; fpath=({folder} $fpath);"
    " autoload -Uz compinit && compinit -u -D"
)
pytestmark = pytest.mark.skipif(not ZSH, reason="no zsh here")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A zsh that knows how to complete nhictl."""
    (tmp_path / "my note.txt").write_text("")
    with shell([ZSH, "-f", "-i"], tmp_path, SETUP.format(folder=SCRIPT.parent)) as made:
        yield made


def listed(terminal: Terminal, line: str) -> str:
    """What two TABs after the line show."""
    terminal.type(line + "\t\t")
    time.sleep(0.5)
    terminal.type("\x15echo do''ne\r")
    return terminal.read("done\r\n")


def test_syntax() -> None:
    subprocess.run([ZSH, "-n", str(SCRIPT)], check=True, timeout=30)


def test_words_are_completed(terminal: Terminal) -> None:
    assert typed(terminal, "nhictl tok\tver\t--aud\tx") == "<token><verify><--audience=x>"
    assert typed(terminal, "nhictl --home /x tok\tli\t") == "<--home></x><token><list>"
    assert typed(terminal, "nhictl -o jsonl au\trep\t--view tr\t") == "<-o><jsonl><audit><replay><--view><tree>"
    assert typed(terminal, "nhictl token list -o ma\t") == "<token><list><-o><markdown>"
    assert typed(terminal, "nhictl --output=ma\tage\tli\t") == "<--output=markdown><agent><list>"
    assert typed(terminal, "nhictl completion fi\t") == "<completion><fish>"
    assert typed(terminal, "nhictl audit verify --anchor=my\t") == "<audit><verify><--anchor=my note.txt>"
    assert typed(terminal, "nhictl policy activate my\t") == "<policy><activate><my note.txt>"


def test_descriptions_are_shown(terminal: Terminal) -> None:
    nouns = listed(terminal, "nhictl ")
    assert re.search(r"token +-- issue, verify and revoke per-task tokens", nouns)
    options = listed(terminal, "nhictl token verify --to")
    assert re.search(r"--token-file +-- where the token is; - for stdin", options)
    assert "--audience" not in options
    assert re.search(
        r"--home +-- the home of the authority  \[\$NHICTL_HOME\]", listed(terminal, "nhictl init --ho\x08")
    )
    assert "message: name or SPIFFE ID" in listed(terminal, "nhictl agent show ")


def test_an_option_is_not_offered_twice(terminal: Terminal) -> None:
    assert "--tool" in listed(terminal, "nhictl token verify --token-file x --t")
    assert typed(terminal, "nhictl token verify --tool x --to\ty") == "<token><verify><--tool><x><--token-file=y>"


def test_hostile_descriptions(tmp_path: Path) -> None:
    (tmp_path / "_nhictl").write_text(zsh.script(HOSTILE), encoding="utf-8")
    with shell([ZSH, "-f", "-i"], tmp_path, SETUP.format(folder=tmp_path)) as terminal:
        assert f"hostile  -- {TEXT}" in re.sub(r"\r|\n", "", listed(terminal, "nhictl "))
        assert f"--danger  --dare  -- {TEXT}" in re.sub(r"\r|\n", "", listed(terminal, "nhictl hostile --da"))
        assert f"message: {TEXT}" in re.sub(r"\r|\n", "", listed(terminal, "nhictl hostile "))
        assert typed(terminal, "nhictl host\t--dare x") == "<hostile><--dare><x>"
    assert not (tmp_path / "pwned").exists()
