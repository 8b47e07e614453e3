"""`nhictl agent resume`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.agent.options import Instance
from nhictl.cli.options import Reason
from nhictl.cli.session import session
from nhictl.ops import instances
from nhictl.ops.change_agent import change
from nhictl.render import Result


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="name or SPIFFE ID")],
    instance: Instance = None,
    reason: Reason = None,
) -> Result:
    """Let a suspended agent, or with --instance one running copy of it, act again; its unexpired tokens are good again.

    Example: nhictl agent resume report-bot --reason "incident 42"
    """
    body: dict[str, object] = {}
    if instance is None:
        agent, live, head = change(session().house(), name, "resume", reason)
        what = f"agent {agent['name']}"
    else:
        agent, live, head = instances.change(session().house(), name, instance, "resume", reason)
        what = f"instance {instance} of agent {agent['name']}"
        body["instance"] = instance
    return Result(
        "nhictl.agent/v1", {"agent": agent, **body, "live_tokens": live, "log": head.to_json()},
        text=[f"{what} resumed; live tokens concerned: {live}"],
    )  # fmt: skip
