"""`nhictl approval list`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.options import At
from nhictl.cli.session import session
from nhictl.ops import approvals
from nhictl.render import Result, Table

COLUMNS = ("id", "state", "agent", "task", "tool", "classes", "expires")


def command(
    task: Annotated[str | None, typer.Option("--task", metavar="T", help="of this task only")] = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="only those that nobody has decided")] = False,
    at: At = None,
) -> Result:
    """List access requests: calls that were denied until a human says yes, in the order they were made.

    Example: nhictl approval list --waiting
    """
    found = approvals.everything(session().house(), session().at(at), task)
    if waiting:
        found = [one for one in found if one["state"] == "requested"]
    rows = [[one[c] if c != "classes" else ", ".join(one[c]) for c in COLUMNS] for one in found]
    return Result("nhictl.approvals/v1", {}, items=found, items_key="items", table=Table(COLUMNS, rows))
