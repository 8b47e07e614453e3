"""Help that cannot rot: every verb explains itself, and every example in it is a command that exists."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest

from nhictl.cli.lazy import ROOT_HELP, load_verb
from nhictl.cli.tree import TREE, Noun, Verb
from tests.cli.cli_help import Program

VERBS: dict[str, Verb] = {}
for noun, entry in TREE.items():
    if isinstance(entry, Noun):
        VERBS |= {f"{noun} {name}": verb for name, verb in entry.verbs.items()}
    else:
        VERBS[noun] = entry


def loaded(name: str) -> Any:
    return load_verb(name.rsplit(maxsplit=1)[-1], VERBS[name])


def commands(text: str) -> list[list[str]]:
    """The words after `nhictl` of each command in a help text, without what belongs to the shell."""
    joined = text.replace("\\\n", " ")
    found = []
    for line in joined.splitlines():
        if match := re.match(r"(?:Example: )?\s*(?:[A-Z]+=\$\()?(nhictl .*)$", line.strip()):
            words = shlex.split(re.sub(r"\$\([^)]*\)", "X", match[1].rstrip(")") if "=$(" in line else match[1]))
            found.append([word for word in words[1:] if not word.startswith(("<", ">"))])
    return found


def check(words: list[str]) -> None:
    """Every word resolves: noun, verb, options, and as many arguments as the verb takes."""
    known = [name for name in VERBS if words[: len(name.split())] == name.split()]
    assert known, f"no such verb: {words}"
    rest = words[len(known[0].split()) :]
    loaded(known[0]).make_context(known[0], rest)


@pytest.mark.parametrize("name", VERBS)
def test_examples_in_help_are_real(name: str) -> None:
    text = loaded(name).help.replace("\b", "")
    examples = text.partition("Example:")[2]
    assert examples, f"{name} has no example"
    found = commands("Example:" + examples)
    assert found, f"the example of {name} cannot be read"
    assert all(" ".join(words).startswith(name) for words in found)
    for words in found:
        check(words)


def test_examples_of_the_program_are_real() -> None:
    found = commands(ROOT_HELP)
    assert len(found) >= 4
    for words in found:
        check(words)


@pytest.mark.parametrize("words", [["token", "nonsense"], ["agent", "list", "--nonsense"], ["token", "show"]])
def test_the_check_can_fail(words: list[str]) -> None:
    with pytest.raises((AssertionError, Exception)):
        check(words)


@pytest.mark.parametrize("name", VERBS)
def test_help_of_every_verb(program: Program, name: str) -> None:
    done = program(*name.split(), "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: nhictl {name}")
    assert re.search(r"^ *Example: ", done.out, re.MULTILINE)
    assert "\b" not in done.out
    for option in ("--home", "--store", "-o, --output", "--json", "--no-color", "--debug", "--version", "-h, --help"):
        assert option in done.out


@pytest.mark.parametrize("name", VERBS)
def test_options_are_described(name: str) -> None:
    for param in loaded(name).params:
        text = param.help or ""
        assert text, param.name
        assert not text.endswith("."), param.name
        assert param.is_flag if hasattr(param, "is_flag") and param.metavar is None else param.metavar, param.name


def test_summaries_are_short() -> None:
    for name, verb in VERBS.items():
        assert verb.summary, name
        assert len(verb.summary) <= 80, name
        assert not verb.summary.endswith("."), name


@pytest.mark.parametrize("noun", [name for name, entry in TREE.items() if isinstance(entry, Noun)])
def test_help_of_every_noun_lists_its_verbs(program: Program, noun: str) -> None:
    done = program(noun, "--help")
    entry = TREE[noun]
    assert isinstance(entry, Noun)
    shown = re.findall(r"^  ([a-z-]+)  +\S", done.out.partition("Commands:")[2], re.MULTILINE)
    assert shown == list(entry.verbs)


def test_version_and_help(program: Program) -> None:
    version = program("--version")
    assert (version.code, version.err) == (0, "")
    assert version.out.startswith("nhictl ")
    for argv in (("-h",), ("--help",), ("token", "-h"), ("token", "verify", "--help")):
        done = program(*argv)
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("Usage: nhictl")


@pytest.mark.parametrize("argv", [(), ("token",), ("agent",), ("--home", "x", "audit")])
def test_without_a_verb_the_help_is_on_standard_error(program: Program, argv: tuple[str, ...]) -> None:
    done = program(*argv)
    assert (done.code, done.out) == (2, "")
    assert "Usage: nhictl" in done.err
    assert "nhictl: a command is missing" in done.err
