"""`nhictl audit export`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nhictl.cli.session import session
from nhictl.errors import InputError
from nhictl.ops.audit_log import export_native


def command(
    to: Annotated[
        str, typer.Option("--to", metavar="FORMAT", help="native: the stored lines and their checkpoints")
    ] = "native",
) -> None:
    """Write the log to standard output, byte for byte, with its keys and checkpoints as the last line.

    Content is not in it: lines hold commitments only.

    Example: nhictl audit export --to native >log.jsonl
    """
    if to != "native":
        raise InputError(f"no export format `{to}` in this version", code="usage", hint="native")
    export_native(session().house(), sys.stdout.buffer)
