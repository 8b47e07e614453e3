"""`nhictl task list`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.options import At
from nhictl.cli.session import session
from nhictl.ops import tasks
from nhictl.render import Result, Table

COLUMNS = ("id", "state", "agent", "intent", "deadline", "tokens", "calls")


def command(
    agent: Annotated[str | None, typer.Option("--agent", metavar="A", help="of this agent only")] = None,
    ci_run: Annotated[str | None, typer.Option("--ci-run", metavar="R", help="opened for this CI run only")] = None,
    at: At = None,
) -> Result:
    """List tasks in the order they were opened.

    Example: nhictl task list --agent report-bot
    """
    found = tasks.everything(session().house(), agent, session().at(at), ci_run)
    table = Table(COLUMNS, [[task[c] for c in COLUMNS] for task in found])
    return Result("nhictl.tasks/v1", {}, items=found, items_key="items", table=table)
