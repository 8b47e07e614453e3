"""`nhictl audit trace`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from nhictl.cli.audit.words import brief, counted, place, verdict_line
from nhictl.cli.main import Reply, report
from nhictl.cli.progress import progress
from nhictl.cli.session import read_input, session
from nhictl.ops.audit_log import parse_keys
from nhictl.ops.authority_views import trace
from nhictl.ops.evidence import Policies, gather
from nhictl.render import Line, Result


def command(
    jti: Annotated[str, typer.Argument(metavar="JTI", help="the token's jti")],
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE…]", help="an exported log; default: the home's own")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="its first suspicious use; default: its first use")
    ] = None,
    keys: Annotated[
        str | None, typer.Option("--keys", metavar="FILE", help="log keys you trust, for our own logs")
    ] = None,
) -> Reply:
    """Show what one token did and, at most, could have done: uses, resources, tokens made from it or after it.

    `reach` is the upper bound for what the log does not show: the scope of each token, for as long as it was good.

    Example: nhictl audit trace C3fbh7H8tYhbDq9TUKjIbA --since -2h
    """
    now = session()
    pinned = parse_keys(read_input(keys, 65536), keys) if keys is not None else None
    evidence = gather(now.house(), files or (), None, pinned)
    first = now.at(since, "--since")
    with progress("reading the log"):
        body = trace(evidence, Policies(now.house()), jti, first)
    for error in evidence.refused:
        report(error, session())
    return Reply(Result("nhictl.trace/v1", body, text=_text(body, jti)), 2 if evidence.refused else evidence.exit)


def _text(body: dict[str, Any], jti: str) -> Iterator[Line | str]:
    token = body["token"]
    if token is None:
        yield Line(f"token {jti}: no record issues it", style="red")
    else:
        yield Line(_token(token), style="bold", whole=True)
    yield f"{counted(body['use_count'], 'use')}, by {', '.join(body['agents']) or 'nobody'}"
    for one in body["uses"]:
        style = "red" if one["outcome"] == "denied" else None
        on = f" on {one['resource']}" if one["resource"] else ""
        said = f"{place(one)} {brief(one['time'])} {one['agent']} {one['tool'] or one['type']}{on}: {one['outcome']}"
        yield Line(said, guide="  ", style=style)
    for one in body["resources"]:
        yield f"{'wrote' if one['written'] else 'read'} {one['resource']} by {one['tool']}, {counted(one['calls'], 'call')}"
    for name, said in (("descendants", "made from it"), ("minted", "made after its first use by the same agents")):
        for one in body[name]:
            yield Line(f"{said}: {_token(one)}", whole=True)
    for one in body["reach"]:
        scope = "what it allows is not at hand" if one["scope"] is None else " or ".join(one["scope"])
        seconds = one["seconds"] if one["seconds"] is not None else "?"
        yield Line(f"at most, by {one['jti']} for {seconds} s: {scope}", whole=True)
    for gap in body["unknown"]:
        yield Line(f"unknown for {counted(gap['times'], 'use')}: {gap['what']} is missing", style="yellow")
    yield verdict_line(body["integrity"])


def _token(one: dict[str, Any]) -> str:
    ended = f", revoked by {place(one['revoked'])}" if one["revoked"] else ""
    return f"token {one['jti']} of {one['agent']}, task {one['task']}, until {brief(one['expires'])}{ended}"
