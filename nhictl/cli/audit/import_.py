"""`nhictl audit import`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.audit.log_options import Format, Map, read_map, told_apart
from nhictl.cli.main import Reply, report
from nhictl.cli.session import session
from nhictl.ops.import_logs import import_logs
from nhictl.render import Result


def command(
    paths: Annotated[list[str], typer.Argument(metavar="PATH…", help="files, or folders of them")],
    format: Format = None,
    map: Map = None,
) -> Reply:
    """Take other systems' logs in as evidence: their very bytes, sealed, under a record each.

    Recognised are sessions of coding agents, traces, MCP traffic and cloud trails, also packed by gzip; any other JSON
    takes a map. A file that is no such log is refused by name and the others are taken in; the exit status is then 2.

    Example: nhictl audit import --format agentdojo runs/
    """
    taken, head = import_logs(session().house(), paths, format, read_map(map))
    refused, left_out = told_apart(taken.refused)
    for error in taken.refused:
        report(error, session(), warning=error in left_out)
    body = {
        "parsed": taken.parsed, "opaque": taken.opaque, "failed": taken.failed, "files": taken.files,
        "known": taken.known, "refused": [{"message": e.message, **e.details} for e in refused],
    }  # fmt: skip
    if left_out:
        body["left_out"] = [{"message": e.message, **e.details} for e in left_out]
    if head is not None:
        body["log"] = head.to_json()
    line = (
        f"files taken in: {taken.files}, known before: {taken.known}, refused: {len(refused)}; "
        f"records parsed: {taken.parsed}, opaque: {taken.opaque}, failed: {taken.failed}"
    )
    return Reply(Result("nhictl.import/v1", body, text=[line]), 2 if refused else 0)
