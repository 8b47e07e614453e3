"""`nhictl audit verify`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nhictl.cli.main import Reply
from nhictl.cli.session import read_input, session
from nhictl.errors import InputError
from nhictl.ops.audit_log import parse_anchor, parse_keys, verify_files, verify_home, verify_stream
from nhictl.ops.state_check import hold
from nhictl.render import Result


def command(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE…]", help="an exported log, or its parts in order; - for stdin; default: the home's own"
        ),
    ] = None,
    segment: Annotated[
        list[str] | None,
        typer.Option(
            "--segment", metavar="FILE", help="with the home's own: a part that was moved out; again for more"
        ),
    ] = None,
    keys: Annotated[str | None, typer.Option("--keys", metavar="FILE", help="log keys you trust, one a line")] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            "--anchor", metavar="FILE", help="what a witness kept: checkpoint, token or JSON reply; again for more"
        ),
    ] = None,
    state: Annotated[
        bool, typer.Option("--state", help="hold the home's state tables against its log as well")
    ] = False,
) -> Reply:
    """Prove that a log is unaltered, and say what remains unproven.

    Exit 0 VERIFIED or VERIFIED_UNANCHORED, 1 TAMPERED or FORKED, 3 INCOMPLETE_TAIL, UNSIGNED or UNKNOWN_KEY.
    With --state also 1 where a table says something else than the log, which names the first differences.

    Example: nhictl audit verify handed-over.jsonl --anchor yesterday.checkpoint
    """
    anchors = [parse_anchor(read_input(name, 65536), name) for name in anchor or ()]
    pinned = parse_keys(read_input(keys, 65536), keys) if keys is not None else None
    house = session().house()
    if segment and files:
        raise InputError("--segment goes with the home's own log; parts of an exported one are arguments", code="usage")
    if not files:
        parts = [Path(name) for name in segment or ()]
        found = verify_home(house, anchors, [key for _, key in pinned] if pinned is not None else None, parts)
    elif files == ["-"]:
        found = verify_stream(sys.stdin.buffer, house, anchors, pinned)
    else:
        found = verify_files([Path(name) for name in files], house, anchors, pinned)
    if state and files:
        raise InputError("--state goes with the home's own log: a file has no tables", code="usage")
    at = f" (first bad record {found.first_bad_seq}, {found.kind})" if found.first_bad_seq is not None else ""
    lines = [f"{found.verdict}{at}: {found.message}", *(f"  unproven: {what}" for what in found.unproven)]
    body, code = found.to_json(), found.exit
    if state:
        held = hold(house)
        body["state"] = held.to_json()
        lines += [
            f"state {body['state']['state']}: {held.rows} values agree",
            *(f"  {one}" for one in held.differences),
        ]
        code = code or (1 if held.differences else 3 if held.unknown is not None else 0)
    return Reply(Result("nhictl.integrity/v1", body, text=lines), code)
