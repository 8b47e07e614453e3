"""`nhictl audit export`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nhictl.cli.main import report
from nhictl.cli.session import Session, session
from nhictl.errors import InputError, UndecidableError
from nhictl.ops.audit_log import export_native
from nhictl.ops.export_log import lines, moved_out, shaped, window
from nhictl.render.json_text import compact

FORMATS_TO = ("native", "ocsf", "timesketch", "csv")


def command(
    to: Annotated[
        str, typer.Option("--to", metavar="FORMAT", help="native, ocsf (1.8.0, JSONL), timesketch (JSONL) or csv")
    ] = "native",
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="records not before; not native")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="records not after; not native")] = None,
) -> None:
    """Write the log to standard output: native, byte for byte, with its keys and checkpoints as the last line; or each
    record in another system's terms.

    Content is in none of them: lines hold commitments only. Only native can be verified: a part of a log proves nothing
    by itself.

    Example: nhictl audit export --to timesketch --since -7d >week.jsonl
    """
    now = session()
    if to not in FORMATS_TO:
        raise InputError(f"no export format `{to}`", code="usage", hint=f"one of {', '.join(FORMATS_TO)}")
    if to == "native":
        if since is not None or until is not None:
            raise InputError(
                "a native export is the whole log", code="usage", hint="--since goes with the other formats"
            )
        export_native(now.house(), sys.stdout.buffer)
        _tell(now)
        return
    house = now.house()
    start, end = window(house, now.at(since, "--since"), now.at(until, "--until"))
    found = shaped(house, to, lines(house, start, end))
    if to == "csv":
        from nhictl.ops.export_log import columns
        from nhictl.render.delimited import write_csv
        from nhictl.render.result import Table

        write_csv(Table(columns(), found), sys.stdout)
    else:
        sys.stdout.writelines(compact(one) + "\n" for one in found)
    sys.stdout.flush()
    _tell(now)


def _tell(now: Session) -> None:
    """That the beginning is elsewhere, if it is."""
    if (what := moved_out(now.house())) is not None:
        report(UndecidableError(what, code="records_moved_out"), now, warning=True)
