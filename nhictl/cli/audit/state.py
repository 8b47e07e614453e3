"""`nhictl audit state`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from nhictl.cli.audit.words import brief, verdict_line
from nhictl.cli.main import Reply, report
from nhictl.cli.options import At
from nhictl.cli.progress import progress
from nhictl.cli.session import read_input, session
from nhictl.ops.audit_log import parse_keys
from nhictl.ops.authority_views import state
from nhictl.ops.evidence import gather
from nhictl.render import Line, Result


def command(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE…]", help="an exported log; default: the home's own")
    ] = None,
    at: At = None,
    keys: Annotated[
        str | None, typer.Option("--keys", metavar="FILE", help="log keys you trust, for our own logs")
    ] = None,
) -> Reply:
    """Show who could do what at a moment: agents, open tasks, live tokens, policy, freezes. From the log alone.

    Without --at it is now. With a file no home is needed; what an export only commits to, such as scopes, is unknown.

    Example: nhictl audit state --at -1h
    """
    now = session()
    pinned = parse_keys(read_input(keys, 65536), keys) if keys is not None else None
    moment = now.at(at)
    evidence = gather(now.house(), files or (), "nhictl" if files else None, pinned)
    with progress("reading the log"):
        body = state(evidence, moment if moment is not None else now.now_us())
    for error in evidence.refused:
        report(error, session())
    return Reply(Result("nhictl.state/v1", body, text=_text(body)), 2 if evidence.refused else evidence.exit)


def _text(body: dict[str, Any]) -> Iterator[Line | str]:
    yield Line(f"at {brief(body['at'])}, after {body['records']} records", style="bold")
    policy = body["policy"]
    yield f"policy {policy['digest']}" if policy else "no policy in force: every call is denied"
    for one in body["freezes"]:
        yield Line(f"frozen: {one['selector']} {one['value'] or ''}".rstrip(), style="red")
    for one in body["agents"]:
        style = None if one["state"] == "active" else "red"
        yield Line(f"agent {one['name']}: {one['state']}", style=style)
    for one in body["tasks"]:
        yield Line(f"task {one['task']} of {one['agent']}, {one['intent']}, until {brief(one['deadline'])}", whole=True)
        yield Line(_scope(one), guide="  ", whole=True)
    for one in body["tokens"]:
        yield Line(f"token {one['jti']} of {one['agent']}, task {one['task']}, {one['remaining_s']} s left", whole=True)
        yield Line(_scope(one), guide="  ", whole=True)
    yield verdict_line(body["integrity"])


def _scope(one: dict[str, Any]) -> str:
    return "what it allows is not at hand" if one["scope"] is None else " or ".join(one["scope"])
