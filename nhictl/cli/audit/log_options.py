"""Options of the verbs that read other systems' logs."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.session import read_input
from nhictl.errors import InputError

_FORMATS = "claude-code, codex, agentdojo, swe-agent, otlp, openai-agents, mcp, cloudtrail, generic"
_MAP_LIMIT = 65536 + 1

Format = Annotated[str | None, typer.Option("--format", metavar="F", help=f"{_FORMATS}; default: recognised")]
OwnFormat = Annotated[
    str | None, typer.Option("--format", metavar="F", help=f"nhictl, {_FORMATS}; default: recognised")
]
Map = Annotated[
    str | None,
    typer.Option("--map", metavar="FILE", help="what is what in a generic log; see samples/logs/cron.map.yaml"),
]


def told_apart(errors: list[InputError]) -> tuple[list[InputError], list[InputError]]:
    """Files that were refused, and those that merely stand in a folder of logs and were left out."""
    left_out = [error for error in errors if error.code == "left_out"]
    return [error for error in errors if error.code != "left_out"], left_out


def read_map(path: str | None) -> bytes | None:
    """The bytes of a map, none if none was given."""
    return read_input(path, _MAP_LIMIT) if path is not None else None
