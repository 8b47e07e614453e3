"""`nhictl completion`."""

from __future__ import annotations

import importlib
from typing import Annotated

import typer

from nhictl.errors import InputError
from nhictl.render import Result

SHELLS = ("bash", "zsh", "fish")


def command(
    shell: Annotated[str, typer.Argument(metavar="|".join(SHELLS), help="the shell that is to complete nhictl")],
) -> Result:
    """Print a completion script. It is static: the shell answers TAB by itself and never calls nhictl.

    Example: nhictl completion bash >~/.local/share/bash-completion/completions/nhictl
    """
    if shell not in SHELLS:
        raise InputError(f"no completion for the shell `{shell}`", code="usage", hint=f"one of {', '.join(SHELLS)}")
    from nhictl.cli.completion_scripts.program import program

    text: str = importlib.import_module(f"nhictl.cli.completion_scripts.{shell}").script(program())
    return Result("nhictl.completion/v1", {"shell": shell, "script": text}, plain=text)
