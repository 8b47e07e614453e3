"""bash: one function over `case` tables; needs nothing but bash itself, no bash-completion package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from nhictl.cli.completion_scripts.program import Command, Option, Program, Value

_HEAD: Final = """\
# bash completion for nhictl, printed by: nhictl completion bash
# Static: nothing is run at TAB. To use it: source <(nhictl completion bash)
"""

_BODY: Final = """\
_nhictl() {
    local IFS=$' \\t\\n'
    local cur= command= option= word kind words before=
    local -a line=()
    local -i at given=0 ended=0
    COMPREPLY=()
    # readline takes `--output=json` and `https://…` apart at = and : (COMP_WORDBREAKS): put such words together again.
    for ((at = 1; at <= COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        if ((${#line[@]})) && [[ $word == [=:]* || $cur == *[=:] ]]; then
            line[${#line[@]} - 1]+=$word
        else
            line+=("$word")
        fi
        cur=${line[${#line[@]} - 1]}
    done
    # What stands before the cursor: which verb, how many arguments, and whether an option waits for its value.
    for ((at = 0; at < ${#line[@]} - 1; at++)); do
        word=${line[at]}
        if [[ -n $option ]]; then
            option=
        elif ((ended)); then
            given+=1
        elif [[ $word == -- ]]; then
            ended=1
        elif [[ $word == -* ]]; then
            _nhictl_option "$command" "$word"
            [[ -z $kind ]] || option=$word
        else
            _nhictl_words "$command"
            if [[ -z $words ]]; then
                given+=1
            elif [[ " $words " == *" $word "* ]]; then
                command+=${command:+ }$word
            else
                return 0
            fi
        fi
    done
    if [[ -n $option ]]; then
        _nhictl_option "$command" "$option"
    elif ((ended == 0)) && [[ $cur == --*=* ]]; then
        before=${cur%%=*}= cur=${cur#*=}
        _nhictl_option "$command" "${before%=}"
        [[ ${COMP_WORDS[COMP_CWORD]} == "$before"* ]] || before=
    elif ((ended == 0)) && [[ $cur == -[!-]?* ]]; then
        before=${cur:0:2} cur=${cur:2}
        _nhictl_option "$command" "$before"
    else
        _nhictl_words "$command"
        kind="is $words"
        [[ -n $words ]] || _nhictl_argument "$command" "$given"
        if ((ended == 0)) && [[ $cur == -* || -z $kind ]]; then
            _nhictl_options "$command"
            kind="is $words"
        fi
    fi
    case $kind in
        file) compopt -o default ;;
        directory) compopt -o dirnames ;;
        'is '*) COMPREPLY=($(compgen -P "$before" -W "${kind#is }" -- "$cur")) ;;
    esac
}
complete -F _nhictl nhictl
"""


def script(program: Program) -> str:
    """The whole script."""
    parts = [
        _HEAD,
        _function("_nhictl_words", "the words that may follow: nouns, verbs, or none", _words(program)),
        _function("_nhictl_options", "all options of a verb", _options(program)),
        _function("_nhictl_option", "what an option takes: nothing if it is a flag", _option_values(program)),
        _function("_nhictl_argument", "what the argument of that number is", _arguments(program)),
        _BODY,
    ]
    return "\n".join(parts)


def _function(name: str, comment: str, arms: Iterable[str]) -> str:
    result = "kind" if name in ("_nhictl_option", "_nhictl_argument") else "words"
    subject = '"$1:$2"' if result == "kind" else '"$1"'
    lines = [f"{name}() {{ # {comment}", f"    {result}=", f"    case {subject} in"]
    return "\n".join([*lines, *(f"        {arm} ;;" for arm in arms), "    esac", "}", ""])


def _words(program: Program) -> Iterator[str]:
    for path, entries in program.groups.items():
        yield f"'{' '.join(path)}') words='{' '.join(name for name, _ in entries)}'"


def _flags(options: Iterable[Option]) -> str:
    return " ".join(flag for option in options for flag in option.flags)


def _options(program: Program) -> Iterator[str]:
    for command in program.commands:
        if command.options:
            yield f"'{command.name}') words='{_flags((*command.options, *program.options))}'"
    yield f"*) words='{_flags(program.options)}'"


def _option_values(program: Program) -> Iterator[str]:
    for command in program.commands:
        yield from _taking(f"'{command.name}'", command.options)
    yield from _taking("*", program.options)


def _taking(command: str, options: Iterable[Option]) -> Iterator[str]:
    by_kind: dict[str, list[str]] = {}
    for option in options:
        if option.value is not None:
            by_kind.setdefault(_kind(option.value), []).extend(f"{command}:{flag}" for flag in option.flags)
    for kind, patterns in by_kind.items():
        yield f"{' | '.join(patterns)}) kind={kind}"


def _kind(value: Value) -> str:
    return f"'is {' '.join(value.choices)}'" if value.kind == "choice" else value.kind


def _arguments(program: Program) -> Iterator[str]:
    for command in program.commands:
        yield from _places(command)


def _places(command: Command) -> Iterator[str]:
    for number, argument in enumerate(command.arguments):
        yield f"'{command.name}':{'*' if argument.many else number}) kind={_kind(argument.value)}"
