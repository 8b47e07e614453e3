"""`nhictl task kill`."""

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
    """Kill a task that must not go on: from now on every check refuses its tokens.

    Example: nhictl task kill $TASK --reason "incident 42"
    """
    ended, live, head = end_task(session().house(), task, "killed", reason)
    return Result(
        "nhictl.task/v1", {"task": ended, "live_tokens": live, "log": head.to_json()},
        text=[f"task {ended['id']} killed; live tokens that ended with it: {live}"],
    )  # fmt: skip
