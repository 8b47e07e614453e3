"""`nhictl token list`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.options import At
from nhictl.cli.session import session
from nhictl.errors import InputError
from nhictl.ops import tokens
from nhictl.render import Result, Table

COLUMNS = ("jti", "state", "agent", "task", "audience", "expires")


def command(
    task: Annotated[str | None, typer.Option("--task", metavar="T", help="of this task only")] = None,
    agent: Annotated[str | None, typer.Option("--agent", metavar="A", help="of this agent only")] = None,
    ci_run: Annotated[str | None, typer.Option("--ci-run", metavar="R", help="issued for this CI run only")] = None,
    live: Annotated[bool, typer.Option("--live", help="only those that would be accepted")] = False,
    revoked_by: Annotated[
        int | None, typer.Option("--revoked-by", metavar="SEQ", help="only those that this record of the log ended")
    ] = None,
    at: At = None,
) -> Result:
    """List issued tokens, oldest first: what is known of them, never the tokens themselves.

    Example: nhictl token list --agent report-bot --live
    """
    if revoked_by is not None and (live or at is not None or ci_run is not None):
        raise InputError("--revoked-by is about one moment: it excludes --live, --at and --ci-run", code="usage")
    if revoked_by is not None:
        found = tokens.revoked_by(session().house(), revoked_by, task=task, agent=agent)
    else:
        found = tokens.everything(
            session().house(), task=task, agent=agent, live=live, at_us=session().at(at), ci_run=ci_run
        )
    table = Table(COLUMNS, [[token[c] for c in COLUMNS] for token in found])
    return Result("nhictl.tokens/v1", {}, items=found, items_key="items", table=table)
