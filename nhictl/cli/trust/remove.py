"""`nhictl trust remove`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.options import Reason
from nhictl.cli.session import session
from nhictl.ops import trusts
from nhictl.render import Result


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the trust")],
    end_tasks: Annotated[
        bool, typer.Option("--end-tasks", help="kill the tasks that were opened through it and are still open")
    ] = False,
    reason: Reason = None,
) -> Result:
    """End a trust: from now on nothing is exchanged under it. Tasks already opened go on, unless they are ended too.

    Example: nhictl trust remove deploy-main --end-tasks --reason "repository archived"
    """
    trust, counts, ended, head = trusts.remove(session().house(), name, reason, end_tasks=end_tasks)
    body = {
        "trust": trust, "open_tasks": counts.open_tasks, "live_tokens": counts.live_tokens, "ended_tasks": ended,
        "log": head.to_json(),
    }  # fmt: skip
    text = f"trust {name} removed; tasks opened through it and still open: {counts.open_tasks}"
    text += f", live tokens: {counts.live_tokens}"
    if end_tasks:
        text += f"; tasks killed: {ended}"
    elif counts.open_tasks:
        text += "; they go on (--end-tasks would have killed them)"
    return Result("nhictl.trust/v1", body, text=[text])
