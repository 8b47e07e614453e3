"""Options that describe a call: tool, arguments, resource, context. Shared by `policy check` and `token verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.errors import InputError

Tool = Annotated[str | None, typer.Option("--tool", metavar="T", help="the tool to be called")]
Arg = Annotated[list[str] | None, typer.Option("--arg", metavar="K=V", help="an argument; again for more")]
Resource = Annotated[str | None, typer.Option("--resource", metavar="R", help="the resource it is about")]
Context = Annotated[list[str] | None, typer.Option("--context", metavar="K=V", help="a claimed fact; again for more")]
Supported = Annotated[
    str | None,
    typer.Option(
        "--supported", metavar="TYPE[,TYPE…]", help="obligations you can perform, `none` for none; default: all"
    ),
]


def obligations(text: str | None) -> frozenset[str] | None:
    """The obligations that an enforcement point can perform; None where it did not say."""
    if text is None:
        return None
    return frozenset() if text == "none" else frozenset(text.split(","))


def pairs(option: str, given: list[str] | None) -> list[tuple[str, str]]:
    """`K=V` texts taken apart; InputError for one without `=` or name."""
    found = []
    for text in given or ():
        key, mark, value = text.partition("=")
        if not mark or not key:
            raise InputError(f"{option} `{text}` is not KEY=VALUE", code="usage")
        found.append((key, value))
    return found
