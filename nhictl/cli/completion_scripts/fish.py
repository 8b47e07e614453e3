"""fish: one `complete` line a word or option, each under a condition on the verb typed so far."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nhictl.cli.completion_scripts.program import Command, Option, Program, Value

_HEAD: Final = """\
# fish completion for nhictl, printed by: nhictl completion fish
# Static: nothing is run at TAB. To use it: nhictl completion fish | source
"""

_AT: Final = """\
function __nhictl_at --description 'whether these are the words typed so far, options left out'
    set -l typed
    set -l value 0
    for word in (commandline -opc)[2..-1]
        if test $value -eq 1
            set value 0
            continue
        end
        test (count $typed) -ge $argv[1]; and break
        switch $word
            case {taking}
                set value 1
            case '-*'
            case '*'
                set -a typed $word
        end
    end
    test "$typed" = "$argv[2..-1]"
end
"""


def script(program: Program) -> str:
    """The whole script."""
    taking = " ".join(flag for option in program.options if option.value is not None for flag in option.flags)
    lines = [_HEAD, _AT.replace("{taking}", taking), "complete -c nhictl -f"]
    lines += [_option(option, "") for option in program.options]
    for path, entries in program.groups.items():
        where = _where(path, more=1)
        lines += [f"complete -c nhictl -n {where} -a {name} -d {quoted(summary)}" for name, summary in entries]
    for command in program.commands:
        lines += _command(command)
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """The text as one word of fish, with nothing in it expanded."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _where(path: tuple[str, ...], more: int = 0) -> str:
    """A condition: of the words typed, the first (as many as the path has, and `more`) are the path."""
    return quoted(" ".join(("__nhictl_at", str(len(path) + more), *path)))


def _command(command: Command) -> Iterator[str]:
    where = _where(command.path)
    for option in command.options:
        yield _option(option, f" -n {where}")
    for number, argument in enumerate(command.arguments):
        if argument.value.kind in ("file", "directory"):
            yield f"complete -c nhictl -n {where} -F"
        elif argument.value.kind == "choice" and number == 0:
            only = _where(command.path, more=1)
            yield f"complete -c nhictl -n {only} -a {quoted(' '.join(argument.value.choices))}"


def _option(option: Option, where: str) -> str:
    flags = "".join(f" -l {flag[2:]}" if flag.startswith("--") else f" -s {flag[1:]}" for flag in option.flags)
    return f"complete -c nhictl{where}{flags}{_takes(option.value)} -d {quoted(option.text)}"


def _takes(value: Value | None) -> str:
    if value is None:
        return ""
    if value.kind == "choice":
        return f" -x -a {quoted(' '.join(value.choices))}"
    return {"file": " -r -F", "directory": " -x -a '(__fish_complete_directories)'"}.get(value.kind, " -x")
