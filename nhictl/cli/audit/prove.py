"""`nhictl audit prove`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.session import session
from nhictl.errors import InputError
from nhictl.ops.prove_log import prove_growth, prove_record
from nhictl.render import Result


def command(
    seq: Annotated[int | None, typer.Option("--seq", metavar="N", help="that record N is in the log")] = None,
    old: Annotated[
        int | None, typer.Option("--old", metavar="SIZE", help="that the log only grew since it had SIZE records")
    ] = None,
    size: Annotated[
        int | None, typer.Option("--size", metavar="SIZE", help="up to this checkpoint; default: the newest")
    ] = None,
) -> Result:
    """Prove one thing about the log to somebody who does not have it, with the signed checkpoint it leads to.

    --seq prints a C2SP tlog-proof; with -o json also the record. --old prints what `audit witness` takes (C2SP add-checkpoint).

    Example: nhictl audit prove --old 120 >offer
    """
    if (seq is None) == (old is None):
        raise InputError("prove what? one of --seq and --old", code="usage", hint="nhictl audit prove --help")
    house = session().house()
    if seq is not None:
        made = prove_record(house, seq, size)
        line = (made.line or b"").decode("utf-8", "replace")
        return Result(
            "nhictl.proof/v1", {"kind": "inclusion", "seq": seq, "line": line, **made.to_json()}, plain=made.text
        )
    made = prove_growth(house, old or 0, size)
    return Result("nhictl.proof/v1", {"kind": "consistency", "old": old, **made.to_json()}, plain=made.text)
