"""`nhictl agent suspend`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.options import Reason
from nhictl.cli.session import session
from nhictl.ops.change_agent import change
from nhictl.render import Result


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="name or SPIFFE ID")], reason: Reason = None
) -> Result:
    """Suspend an agent: from now on its tokens are refused and it gets no new ones.

    Example: nhictl agent suspend report-bot --reason "incident 42"
    """
    agent, live, head = change(session().house(), name, "suspend", reason)
    return Result(
        "nhictl.agent/v1", {"agent": agent, "live_tokens": live, "log": head.to_json()},
        text=[f"agent {agent['name']} suspended; live tokens concerned: {live}"],
    )  # fmt: skip
