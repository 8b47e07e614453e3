"""`nhictl audit witness`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from nhictl.cli.main import Reply
from nhictl.cli.session import read_input, session
from nhictl.errors import InputError
from nhictl.ops.audit_log import parse_keys
from nhictl.ops.witness_log import Answer, witness
from nhictl.render import Result


def command(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="a checkpoint, one with its proof, or an exported log; -")
    ],
    state: Annotated[Path, typer.Option("--state", metavar="DIR", help="what this witness remembers, and its key")],
    keys: Annotated[str | None, typer.Option("--keys", metavar="FILE", help="log keys you trust, one a line")] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="what a new witness is called, such as example.org/w1")
    ] = None,
) -> Reply:
    """Accept a checkpoint that the last one accepted is the beginning of, remember it, and print it cosigned.

    Needs no home and never steps back. The first time give the whole exported log, or pin its key with --keys. What is
    printed is good for audit verify --anchor. Exit 1 TAMPERED (also rolled back) or FORKED, 3 UNKNOWN_KEY or not whole,
    5 when a proof from the remembered size is missing.

    Example: nhictl audit witness log.jsonl --state witness/ >witnessed.checkpoint
    """
    pinned = parse_keys(read_input(keys, 65536), keys) if keys is not None else None
    clock = session().house().clock

    def answered(stream: BinaryIO) -> Answer:
        return witness(stream, file, state.expanduser(), clock, pinned, name)

    try:
        if file == "-":
            done = answered(sys.stdin.buffer)
        else:
            with Path(file).open("rb") as stream:
                done = answered(stream)
    except OSError as e:
        raise InputError(f"cannot read `{file}`: {(e.strerror or str(e)).lower()}", code="unreadable") from e
    body = done.to_json()
    lines = [f"{done.offer.verdict}: {done.offer.message}"]
    return Reply(Result("nhictl.witness/v1", body, text=lines, plain=body["note"]), done.offer.exit)
