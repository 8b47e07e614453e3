"""What the completion scripts are made of, and that the committed ones are those the program prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from nhictl import formats
from nhictl.cli.completion import SHELLS
from nhictl.cli.completion_scripts.program import CLOSED, Program, Value, program, word
from nhictl.cli.tree import TREE
from tests.cli.cli_help import Program as Runner
from tests.cli.cli_help import check_error

COMMITTED = Path(__file__).parents[2] / "completions"
NAMES = {"bash": "nhictl.bash", "zsh": "_nhictl", "fish": "nhictl.fish"}


@pytest.fixture(scope="module")
def whole() -> Program:
    """Everything there is to complete."""
    return program()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_committed_script_is_the_printed_one(program: Runner, shell: str) -> None:
    done = program("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert (COMMITTED / NAMES[shell]).read_text(encoding="utf-8") == done.out, (
        f"print it again: nhictl completion {shell} >completions/{NAMES[shell]}"
    )
    assert program("completion", shell, "--json").json["script"] == done.out


@pytest.mark.parametrize("shell", ["tcsh", "", "Bash", "zsh.py", "program"])
def test_unknown_shells(program: Runner, shell: str) -> None:
    done = program("completion", shell, "--json")
    assert (done.code, done.out) == (2, "")
    assert check_error(done.err, "usage")["hint"] == "one of bash, zsh, fish"


def test_no_script_calls_the_program() -> None:
    signs = {
        "bash": ("$(nhictl", "`nhictl", "<(nhictl"),
        "zsh": ("$(nhictl", "`nhictl", "_call_program"),
        "fish": ("(nhictl",),
    }
    for shell, name in NAMES.items():
        lines = (COMMITTED / name).read_text(encoding="utf-8").splitlines()
        code = "\n".join(line for line in lines if not line.startswith("#"))
        assert not [sign for sign in signs[shell] if sign in code]


def test_all_of_the_tree_is_there(whole: Program) -> None:
    assert [name for name, _ in whole.groups[()]] == list(TREE)
    for command in whole.commands:
        assert command.path[-1] in [name for name, _ in whole.groups[command.path[:-1]]]
    flags = {flag for option in whole.options for flag in option.flags}
    expected = "--home --store -o --output --json --passphrase-file --no-color --debug --version -h --help"
    assert flags == set(expected.split())


def test_values_follow_from_metavars(whole: Program) -> None:
    found = {
        f"{command.name} {option.flags[-1]}": option.value
        for command in whole.commands
        for option in command.options
    }  # fmt: skip
    assert found["token verify --token-file"] == Value("FILE", "file")
    assert found["token verify --audience"] == Value("URI", "text")
    assert found["token verify --consume"] is None
    assert found["audit replay --view"] == Value(
        "timeline|tree|scope|delegation", "choice", ("timeline", "tree", "scope", "delegation")
    )
    arguments = {command.name: command.arguments for command in whole.commands}
    assert [(a.value.kind, a.many) for a in arguments["policy activate"]] == [("file", True)]
    assert [(a.value.kind, a.many) for a in arguments["audit verify"]] == [("file", True)]
    assert [(a.value.kind, a.many) for a in arguments["agent show"]] == [("text", False)]
    assert [a.value.choices for a in arguments["completion"]] == [SHELLS]


def test_closed_sets_are_what_is_accepted(whole: Program) -> None:
    known = {
        f"{command.name} {flag}" for command in whole.commands for option in command.options for flag in option.flags
    }
    assert CLOSED.keys() <= known
    assert CLOSED["audit import --format"] == tuple(formats.FORMATS)
    assert CLOSED["audit replay --format"] == ("nhictl", *formats.FORMATS)


@pytest.mark.parametrize("text", ["", "a b", "$(id)", "a'b", "a;b", "*", "ä", "a\nb", "A"])
def test_words_that_a_shell_would_take_apart_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quoting"):
        word(text)
    assert word("--token-file") == "--token-file"
