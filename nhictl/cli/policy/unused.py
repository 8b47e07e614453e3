"""`nhictl policy unused`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from nhictl.cli.main import Reply, report
from nhictl.cli.policy.inputs import read_files, read_registry
from nhictl.cli.session import session
from nhictl.errors import InputError
from nhictl.ops.propose_policy import Wanted
from nhictl.ops.unused_access import Unused, count, unused
from nhictl.render import Result


def command(
    files: Annotated[list[str] | None, typer.Argument(metavar="[FILE…]", help="more logs")] = None,
    log: Annotated[
        list[str] | None, typer.Option("--log", metavar="FILE", help="logs to compare with; default: the home's own")
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", metavar="F", help="of the logs; default: recognised")
    ] = None,
    runs: Annotated[
        str | None, typer.Option("--runs", metavar="A..B", help="from run A to run B, by name or number from 1")
    ] = None,
    policy: Annotated[
        list[str] | None, typer.Option("--policy", metavar="FILE", help="the rules; default: those in force")
    ] = None,
    scope: Annotated[str | None, typer.Option("--scope", metavar="FILE", help="a scope file instead of rules")] = None,
    narrowest: Annotated[
        bool, typer.Option("--narrowest", help="print what would have been enough, for review")
    ] = False,
    fail: Annotated[bool, typer.Option("--fail", help="exit 1 if anything is unused")] = False,
) -> Reply:
    """Show what a policy or a scope grants and no call of a log used. Writes nothing.

    What a log does not tell (the agent's attributes, the hour, the context) counts in favour of a grant: what is called
    unused certainly is.

    Example: nhictl policy unused --log samples/runs --policy samples/what-if/before.policy.yaml
    """
    house = session().house()
    wanted = Wanted([*(log or ()), *(files or ())], format, None, runs)
    rules = read_files(policy)
    found = unused(house, wanted, rules, read_registry(scope))
    for error in found.story.refused:
        report(error, session())
    if narrowest and found.narrowest is None:
        raise InputError("no one document covers what was used: nothing was, or for several intents", code="usage")
    result = Result(
        "nhictl.unused_access/v1", found.to_json(), plain=found.narrowest if narrowest else None, text=_lines(found)
    )
    status = 2 if found.story.refused else found.story.exit
    return Reply(result, status or int(fail and found.idle > 0))


def _lines(found: Unused) -> Iterator[str]:
    for grant in found.grants:
        name = grant.id if found.kind == "policy" else f"box {grant.id} ({', '.join(grant.names['tools'])})"
        if not grant.calls:
            yield f"UNUSED {name}"
        else:
            yield f"used   {name}: {count(grant.calls, 'call')} in {count(len(grant.runs), 'run')}"
            yield from (
                f"         never used of its {kind}: {', '.join(left)}" for kind, left in grant.unused().items()
            )
    one, more = ("permit", "permits") if found.kind == "policy" else ("box", "boxes")
    beyond = f", {found.outside} of them granted by no {one}" if found.outside else f", each granted by a {one}"
    yield (
        f"{found.idle} of {len(found.grants)} {one if len(found.grants) == 1 else more} unused; "
        f"{count(found.calls, 'call')}{beyond if found.calls else ''}"
    )
    if not found.calls:
        yield "the log shows no call that was allowed, so this says nothing about need"
    if found.unreadable:
        unread = count(found.unreadable, "call")
        yield f"{unread} whose arguments are unknown {'was' if found.unreadable == 1 else 'were'} not counted"
