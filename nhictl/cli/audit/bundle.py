"""`nhictl audit bundle`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nhictl.cli.session import read_input, session
from nhictl.errors import InputError
from nhictl.ops.audit_log import parse_anchor
from nhictl.ops.bundle_log import Wanted, bundle
from nhictl.render import Result


def command(
    out: Annotated[Path, typer.Option("--out", metavar="FILE.zip", help="the file to write; never overwrites")],
    agent: Annotated[str | None, typer.Option("--agent", metavar="A", help="records that name this agent")] = None,
    task: Annotated[str | None, typer.Option("--task", metavar="T", help="records that name this task")] = None,
    token: Annotated[str | None, typer.Option("--token", metavar="JTI", help="records that name this token")] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="not before")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="not after")] = None,
    disclose: Annotated[
        list[str] | None,
        typer.Option("--disclose", metavar="LABEL", help="open this content, such as args or result, or all; recorded"),
    ] = None,
    segment: Annotated[
        list[str] | None,
        typer.Option("--segment", metavar="FILE", help="a part of the log that was moved out; again for more"),
    ] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            "--anchor", metavar="FILE", help="prove that the log grew out of what a witness kept; again for more"
        ),
    ] = None,
) -> Result:
    """Write records as evidence that travels: with proofs, keys, policies and a verify.py that needs nothing but Python.

    The same log and question give the same bytes. Content stays sealed unless its label is disclosed.

    Example: nhictl audit bundle --task $TASK --disclose args --anchor yesterday.checkpoint --out case.zip
    """
    now = session()
    wanted = Wanted(agent, task, token, now.at(since, "--since"), now.at(until, "--until"))
    if wanted == Wanted():
        raise InputError(
            "which records? one of --agent, --task, --token, --since, --until is needed", code="usage",
            hint="nhictl audit bundle --help",
        )  # fmt: skip
    anchors = [parse_anchor(read_input(name, 65536), name) for name in anchor or ()]
    parts = [Path(name) for name in segment or ()]
    done = bundle(now.house(), wanted, out, disclose=disclose or (), anchors=anchors, segments=parts)
    made = done.manifest
    lines = [
        f"{made['records']} records of {made['size']} in {done.path}",
        f"sha256 {done.digest}",
        f"content disclosed: {', '.join(made['disclosed']) or 'none'}; commitments that stay closed: {made['withheld']}",
        f"verify.py sha256 {made['files']['verify.py']}",
    ]
    if made["erased"]:
        lines.append(f"content that was erased: {len(made['erased'])} pieces")
    if made["unread"]:
        lines.append(f"not in it: records before {made['unread']['below']}, whose lines were moved out (--segment)")
    return Result("nhictl.bundled/v1", done.to_json(), text=lines)
