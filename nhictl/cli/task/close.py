"""`nhictl task close`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.options import Reason
from nhictl.cli.session import session
from nhictl.ops.end_task import end_task
from nhictl.render import Result


def command(
    task: Annotated[str, typer.Argument(metavar="TASK", help="the task's id")], reason: Reason = None
) -> Result:
    """Close a task that is done: from now on every check refuses its tokens.

    Example: nhictl task close $TASK --reason "incident 42"
    """
    ended, live, head = end_task(session().house(), task, "closed", reason)
    return Result(
        "nhictl.task/v1", {"task": ended, "live_tokens": live, "log": head.to_json()},
        text=[f"task {ended['id']} closed; live tokens that ended with it: {live}"],
    )  # fmt: skip
