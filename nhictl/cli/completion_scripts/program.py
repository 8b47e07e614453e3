"""What there is to complete: the command tree with every verb's options and arguments, as plain values."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

from nhictl.cli.lazy import global_options, load_verb
from nhictl.cli.session import FORMATS
from nhictl.cli.tree import TREE, Noun, Verb

_LOGS: Final = (
    "claude-code", "codex", "agentdojo", "swe-agent", "otlp", "openai-agents", "mcp", "cloudtrail", "generic",
)  # fmt: skip
CLOSED: Final[dict[str, tuple[str, ...]]] = {
    "agent register --trust": ("0", "1", "2", "3"),
    "audit export --to": ("native",),
    "audit import --format": _LOGS,
    "audit replay --format": ("nhictl", *_LOGS),
}
"""Values of options whose metavar does not spell them out as `a|b`; a test holds them against what is really accepted."""

_SAFE: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-+._")


class Value(NamedTuple):
    """What an option or argument takes; `choices` only where the set is closed."""

    name: str
    kind: Literal["text", "file", "directory", "choice"]
    choices: tuple[str, ...] = ()


class Option(NamedTuple):
    """An option by all its flags; `value` None for one that takes none; `again` if it may be repeated."""

    flags: tuple[str, ...]
    text: str
    value: Value | None
    again: bool


class Argument(NamedTuple):
    """A positional argument; `many` for one that takes all the rest."""

    text: str
    value: Value
    many: bool


class Command(NamedTuple):
    """One verb: the words that call it, and what may follow."""

    path: tuple[str, ...]
    text: str
    options: tuple[Option, ...]
    arguments: tuple[Argument, ...]

    @property
    def name(self) -> str:
        """The words that call it, as one string."""
        return " ".join(self.path)


class Program(NamedTuple):
    """Everything: groups of words with their summaries (the root's is `()`), verbs, and the options all of them take."""

    groups: dict[tuple[str, ...], tuple[tuple[str, str], ...]]
    commands: tuple[Command, ...]
    options: tuple[Option, ...]


def program() -> Program:
    """Read the command tree; every verb's module is imported."""
    groups: dict[tuple[str, ...], tuple[tuple[str, str], ...]] = {
        (): tuple((word(name), entry.summary) for name, entry in TREE.items())
    }
    commands: list[Command] = []
    for name, entry in TREE.items():
        if isinstance(entry, Noun):
            groups[(name,)] = tuple((word(verb), made.summary) for verb, made in entry.verbs.items())
            commands += [_command((name, verb), made) for verb, made in entry.verbs.items()]
        else:
            commands.append(_command((name,), entry))
    general = (*(_option(param, "") for param in global_options()), _HELP)
    return Program(groups, tuple(commands), general)


_HELP: Final = Option(("-h", "--help"), "show help and exit", None, again=False)


def word(text: str) -> str:
    """The text, which is a word to every shell; ValueError for one that would need quoting."""
    if not text or not set(text) <= _SAFE:
        raise ValueError(f"`{text}` cannot be completed: it needs quoting")
    return text


def _command(path: tuple[str, ...], verb: Verb) -> Command:
    general = {param.name for param in global_options()}
    own = [param for param in load_verb(path[-1], verb).params if param.name not in general]
    name = " ".join(path)
    return Command(
        path,
        verb.summary,
        tuple(_option(param, name) for param in own if param.param_type_name == "option"),
        tuple(_argument(param, name) for param in own if param.param_type_name == "argument"),
    )


def _option(param: Any, command: str) -> Option:
    flags = tuple(word(flag) for flag in (*param.opts, *param.secondary_opts))
    value = None if param.is_flag else _value(param.metavar or "TEXT", f"{command} {flags[-1]}")
    return Option(flags, param.help or "", value, bool(param.multiple))


def _argument(param: Any, command: str) -> Argument:
    return Argument(param.help or "", _value(param.metavar or param.name, command), param.nargs == -1)


def _value(metavar: str, place: str) -> Value:
    """What a metavar promises: `a|b` is a closed set, FILE and PATH are files, DIR is a directory."""
    name = metavar.strip("[]…")
    choices = FORMATS if place.endswith(" --output") else CLOSED.get(place, ())
    if not choices and "|" in name and set(name) <= _SAFE | {"|"}:
        choices = tuple(name.split("|"))
    if choices:
        return Value(name, "choice", tuple(word(choice) for choice in choices))
    if name == "DIR":
        return Value(name, "directory")
    return Value(name, "file" if {"FILE", "PATH"} & set(name.replace("-", " ").replace(".", " ").split()) else "text")
