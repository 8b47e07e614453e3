"""Options that several verbs share, and small helpers for turning them into values."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.core import times
from nhictl.errors import InputError

At = Annotated[str | None, typer.Option("--at", metavar="TIME", help="as of that moment: RFC 3339, or relative (-15m)")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="why; sealed beside the record")]


def seconds(option: str, text: str) -> int:
    """The seconds of a duration option; InputError names the option."""
    try:
        value = times.parse_duration(text)
    except ValueError as e:
        raise InputError(f"{option} `{text}`: {e}", code="usage") from e
    if value <= 0:
        raise InputError(f"{option} has to be longer than nothing", code="usage")
    return value
