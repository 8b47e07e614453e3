"""`nhictl task show`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.options import At
from nhictl.cli.session import session
from nhictl.ops import tasks
from nhictl.render import Result, Table


def command(task: Annotated[str, typer.Argument(metavar="TASK", help="the task's id")], at: At = None) -> Result:
    """Show one task with its scope.

    Example: nhictl task show $TASK --at -5m
    """
    found = tasks.show(session().house(), task, session().at(at))
    return Result("nhictl.task/v1", {"task": found}, table=Table(("attribute", "value"), list(found.items())))
