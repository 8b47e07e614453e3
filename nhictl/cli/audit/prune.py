"""`nhictl audit prune`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.session import session
from nhictl.errors import InputError
from nhictl.ops.prune_log import Pruned, plan, prune
from nhictl.render import Result


def command(
    before: Annotated[str, typer.Option("--before", metavar="TIME", help="move out records that are older")],
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="the new file that their lines go into")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what it would move, and move nothing")] = False,
) -> Result:
    """Move the oldest records' lines out of the database into a file, which verifies and replays like any export.

    Of each line its hash stays, so that proofs, anchors and questions about the past go on. Together the files and what is
    left are one log: audit verify --segment FILE, or audit verify FILE… of the parts and an export. Content stays sealed in
    the home, where audit redact reaches it. Keep the file: what it says is nowhere else. Rows of tokens that had expired by
    then, and a day ago at the least, are let go of too; they stay refused.

    Example: nhictl audit prune --before 2026-06-01 --out /srv/evidence/log-2026-h1.jsonl
    """
    now = session()
    moment = now.at(before, "--before") or 0
    if dry_run:
        wanted = plan(now.house(), moment)
        text = f"would move out {_named(wanted)}"
        return Result("nhictl.pruned/v1", wanted.to_json() | {"dry_run": True}, text=[text])
    if out is None:
        raise InputError("missing option `--out`", code="usage", hint="nhictl audit prune --help")
    done, head = prune(now.house(), moment, out)
    body = done.to_json() | {"dry_run": False, "log": head.to_json()}
    return Result("nhictl.pruned/v1", body, text=[f"moved out {_named(done)} into {out}: keep it"])


def _named(what: Pruned) -> str:
    last = what.end - 1
    return f"record {last}" if what.start == last else f"records {what.start} to {last}"
