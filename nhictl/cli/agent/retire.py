"""`nhictl agent retire`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.options import Reason
from nhictl.cli.session import session
from nhictl.ops.change_agent import change
from nhictl.ops.outstanding import outstanding
from nhictl.render import Result


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="name or SPIFFE ID")], reason: Reason = None
) -> Result:
    """Retire an agent for good: its tokens end, its name is never used again.

    Example: nhictl agent retire report-bot --reason "incident 42"
    """
    agent, live, head = change(session().house(), name, "retire", reason)
    svids = outstanding(session().house(), agent["name"])
    return Result(
        "nhictl.agent/v1",
        {"agent": agent, "live_tokens": live, **svids.to_json(), "log": head.to_json()},
        text=[f"agent {agent['name']} retired; live tokens concerned: {live}", *svids.warning()],
    )
