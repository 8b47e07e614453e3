"""Where the token of a CI job comes from: a file, standard input, a variable that is named, or the runner itself."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from nhictl.cli.session import read_input
from nhictl.errors import InputError
from nhictl.ops import runner_token
from nhictl.ops.reading import TOKEN_LIMIT

File = Annotated[
    str | None,
    typer.Option(
        "--subject-token-file",
        metavar="FILE",
        help="the CI job's own token; - for stdin; default: ask the runner for one",
    ),
]
Variable = Annotated[
    str | None,
    typer.Option("--subject-token-env", metavar="NAME", help="the variable that holds it (GitLab's `id_tokens`)"),
]


def given(file: str | None, variable: str | None, audience: str) -> bytes | None:
    """The token that was named, else one the runner gives for `audience`; None where neither is to be had.

    InputError (2) in a CI job that offers none, since there is nothing to wait for on its standard input.
    """
    if file is not None and variable is not None:
        raise InputError("give --subject-token-file or --subject-token-env", code="usage")
    if file is not None:
        return _bounded(file)
    if variable is not None:
        return _variable(variable)
    if runner_token.offered():
        return runner_token.fetch(audience)
    if (error := runner_token.missing()) is not None:
        raise error
    return None


def _bounded(name: str) -> bytes:
    """A token, or the first bytes of something too large to be one: that is a verdict, not an error."""
    try:
        return read_input(name, TOKEN_LIMIT)
    except InputError as e:
        if e.code != "too_large":
            raise
        return b"x" * TOKEN_LIMIT


def _variable(name: str) -> bytes:
    if not name.isascii() or not name.replace("_", "a").isalnum() or name[0].isdigit():
        raise InputError("--subject-token-env takes the name of a variable, never a token", code="usage")  # not shown
    value = os.environ.get(name)
    if not value:
        raise InputError(f"${name} is not set", code="no_subject_token", hint="declare it under `id_tokens` in the job")
    return value.encode("utf-8", "surrogateescape")[:TOKEN_LIMIT]
