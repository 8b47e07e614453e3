"""Groups that import a verb only when it is called: help and completion of names come from the tree alone."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from nhictl.cli.session import DOCUMENTS, FORMATS, passphrase_line, session
from nhictl.cli.tree import TREE, Noun, Verb
from nhictl.errors import InputError


def _set(name: str) -> Any:
    def keep(_ctx: Any, _param: Any, value: Any) -> Any:
        if value is not None and value is not False:
            setattr(session(), name, value)
            if name == "output":
                session().format()  # refused here, before anything is done
            if name == "passphrase_file":
                session().passphrase_line = passphrase_line(value)
        return value

    return keep


def _version(ctx: Any, _param: Any, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from nhictl import __version__

        typer.echo(f"nhictl {__version__}")
        raise typer.Exit


def global_options() -> list[Any]:
    """The options that stand before the noun or after the verb alike."""

    def value(flags: list[str], name: str, metavar: str, text: str) -> Any:
        return TyperOption(
            param_decls=[*flags, name], type=str, metavar=metavar, help=text, expose_value=False, callback=_set(name)
        )

    def flag(flags: list[str], name: str, text: str) -> Any:
        return TyperOption(
            param_decls=[*flags, name], is_flag=True, default=False, help=text, expose_value=False, callback=_set(name)
        )

    return [
        value(["--home"], "home", "DIR", "the home of the authority  [$NHICTL_HOME]"),
        value(["--store"], "store", "URL", "the database, sqlite:///PATH  [$NHICTL_STORE]"),
        value(["-o", "--output"], "output", "FORMAT", f"{'|'.join(FORMATS)}  [$NHICTL_OUTPUT]"),
        TyperOption(
            param_decls=["--json", "as_json"], is_flag=True, default=False, help="the same as -o json",
            expose_value=False, callback=lambda _c, _p, v: setattr(session(), "output", "json") if v else None,
        ),
        value(
            ["--passphrase-file"], "passphrase_file", "FILE",
            "the passphrase of the keys, - for the first line of stdin  [$NHICTL_PASSPHRASE_FILE, _FD]",
        ),
        flag(["--no-color"], "no_color", "no colours  [$NO_COLOR]"),
        flag(["--debug"], "debug", "show a traceback when something breaks"),
        TyperOption(
            param_decls=["--version", "version"], is_flag=True, default=False, is_eager=True, help="print the version",
            expose_value=False, callback=_version,
        ),
    ]  # fmt: skip


SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def load_verb(name: str, verb: Verb) -> Any:
    """Import a verb's module and make its command."""
    module = importlib.import_module(f"nhictl.cli.{verb.module}")
    session().own_failure = getattr(module, "OWN_FAILURE", None)
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    text = inspect.cleandoc(module.command.__doc__ or "").replace("\n\nExample:", "\n\n\b\nExample:")
    app.command(name, help=text, context_settings={**SETTINGS, **getattr(module, "SETTINGS", {})})(module.command)
    command = typer.main.get_command(app)
    command.params.extend(global_options())
    if module.__dict__.get("SPREAD"):
        _spread(command)
    if not module.__dict__.get("FORMATS"):
        command.callback = _common_formats(command.callback)
    return command


def _spread(command: Any) -> None:
    """`--log a b c`, as a shell makes it of `--log *.json`: what follows a repeatable option belongs to it, up to the next."""
    parse = command.parse_args
    repeatable = {name for parameter in command.params if parameter.multiple for name in parameter.opts}

    def spread(ctx: Any, args: list[str]) -> Any:
        made: list[str] = []
        current, taken = None, True
        for word in args:
            if word.startswith("-") and word != "-":
                current, taken = word if word in repeatable else None, False
            elif current is not None and taken:
                made.append(current)
            else:
                taken = True
            made.append(word)
        return parse(ctx, made)

    command.parse_args = spread


def _common_formats(call: Any) -> Any:
    """The verb, refusing a format that only others have before anything is done."""

    def checked(**given: Any) -> Any:
        if (chosen := session().format()) in DOCUMENTS:
            raise InputError(
                f"this command has no output format `{chosen}`", code="usage", hint=f"one of {', '.join(FORMATS)}"
            )
        return call(**given)

    return checked


class LazyGroup(TyperGroup):
    """A group over a part of the tree."""

    def __init__(self, name: str | None, text: str, entries: dict[str, Any]) -> None:
        super().__init__(
            name=name, help=text, params=global_options(), rich_markup_mode=None, no_args_is_help=True,
            context_settings=dict(SETTINGS),
        )  # fmt: skip
        self.entries = entries

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the tree."""
        del ctx
        return list(self.entries)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; a verb's module is imported here and not before."""
        del ctx
        if cmd_name not in self.commands:
            entry = self.entries.get(cmd_name)
            if entry is None:
                return None
            if isinstance(entry, Noun):
                self.commands[cmd_name] = LazyGroup(cmd_name, entry.summary, dict(entry.verbs))
            else:
                self.commands[cmd_name] = load_verb(cmd_name, entry)
        return self.commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of commands, without importing one of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self.entries.items()])


ROOT_HELP = """Authority for AI agents, given per task, revoked at once, provable afterwards.

nhictl init --trust-domain example.org

nhictl agent register report-bot --owner ops@example.org --purpose "weekly report"

TASK=$(nhictl task open --agent report-bot --intent report --purpose "week 47" --allow 'reports.read')

TOKEN=$(nhictl token issue --task $TASK --audience https://api.example.org)

See it all at work: nhictl demo"""


def root() -> LazyGroup:
    """The whole program."""
    return LazyGroup("nhictl", ROOT_HELP, dict(TREE))


__all__ = ["LazyGroup", "TyperCommand", "global_options", "load_verb", "root"]
