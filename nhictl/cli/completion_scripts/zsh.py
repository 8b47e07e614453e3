"""zsh: one function a verb over `_arguments`, which shows descriptions and leaves out what was given already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nhictl.cli.completion_scripts.program import Argument, Command, Option, Program, Value

_HEAD: Final = """\
#compdef nhictl
# zsh completion for nhictl, printed by: nhictl completion zsh
# Static: nothing is run at TAB. To use it: keep it as _nhictl in a folder of $fpath, or source <(nhictl completion zsh)
"""

_TAIL: Final = """\
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _nhictl "$@"
else
    compdef _nhictl nhictl
fi
"""


def script(program: Program) -> str:
    """The whole script."""
    general = [spec for option in program.options for spec in _option(option)]
    parts = [_HEAD, _array("_nhictl_general", "what every verb takes", general)]
    parts += [_command(command) for command in program.commands]
    parts += [_group(path, entries) for path, entries in reversed(program.groups.items())]
    return "\n".join([*parts, _TAIL])


def quoted(text: str) -> str:
    """The text as one word of zsh, with nothing in it expanded."""
    return "'" + text.replace("'", "'\\''") + "'"


def _plain(text: str, special: str = "\\:[]") -> str:
    """Text inside a spec of `_arguments` or `_describe`, where colons, brackets and backslashes have a meaning."""
    return "".join("\\" + char if char in special else char for char in text)


def _message(text: str) -> str:
    """Text between two colons of a spec, shown as a prompt is: only `:` and `%` have a meaning there."""
    return _plain(text, ":").replace("%", "%%")


def _name(path: tuple[str, ...]) -> str:
    return "_".join(("_nhictl", *path))


def _array(name: str, comment: str, items: list[str]) -> str:
    return "\n".join(
        [f"typeset -ga {name} # {comment}", f"{name}=(", *(f"    {quoted(item)}" for item in items), ")", ""]
    )


def _option(option: Option) -> Iterator[str]:
    others = "*" if option.again else f"({' '.join(option.flags)})"
    for flag in option.flags:
        takes = "" if option.value is None else "=" if flag.startswith("--") else "+"
        value = "" if option.value is None else f":{_message(option.value.name)}:{_action(option.value)}"
        yield f"{others}{flag}{takes}[{_plain(option.text)}]{value}"


def _action(value: Value) -> str:
    if value.kind == "choice":
        return f"({' '.join(value.choices)})"
    return {"file": "_files", "directory": "_files -/"}.get(value.kind, " ")


def _argument(argument: Argument) -> str:
    return f"{'*' if argument.many else ''}:{_message(argument.text or argument.value.name)}:{_action(argument.value)}"


def _command(command: Command) -> str:
    specs = [spec for option in command.options for spec in _option(option)]
    specs += [_argument(argument) for argument in command.arguments]
    words = " \\\n        ".join(["_arguments -s -S", '"${_nhictl_general[@]}"', *(quoted(spec) for spec in specs)])
    return f"{_name(command.path)}() {{\n    {words}\n}}\n"


def _group(path: tuple[str, ...], entries: tuple[tuple[str, str], ...]) -> str:
    """A function that completes the next word, then hands what follows it to that word's own function."""
    lines = "\n".join(f"                {quoted(f'{name}:{_plain(summary)}')}" for name, summary in entries)
    arms = "\n".join(f"                {name}) {_name((*path, name))} && ret=0 ;;" for name, _ in entries)
    return f"""\
{_name(path)}() {{
    local curcontext="$curcontext" state ret=1
    local -a line words_here
    local -A opt_args
    _arguments -C -s -S -A '-*' "${{_nhictl_general[@]}}" '1: :->word' '*:: :->rest' && ret=0
    case $state in
        word)
            words_here=(
{lines}
            )
            _describe -t commands 'nhictl command' words_here && ret=0
            ;;
        rest)
            case $words[1] in
{arms}
            esac
            ;;
    esac
    return ret
}}
"""
