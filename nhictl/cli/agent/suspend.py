"""`nhictl agent suspend`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.agent.options import Instance
from nhictl.cli.options import Reason
from nhictl.cli.session import session
from nhictl.ops import instances
from nhictl.ops.change_agent import change
from nhictl.ops.outstanding import outstanding
from nhictl.render import Result


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="name or SPIFFE ID")],
    instance: Instance = None,
    reason: Reason = None,
) -> Result:
    """Suspend an agent: from now on its tokens are refused and it gets no new ones.

    With --instance only that running copy is stopped. An X.509-SVID that was issued stays good until it ends, which is
    said: nobody asks us when it is checked.

    Example: nhictl agent suspend report-bot --instance ops-1.run-7 --reason "incident 42"
    """
    body: dict[str, object] = {}
    if instance is None:
        agent, live, head = change(session().house(), name, "suspend", reason)
        what = f"agent {agent['name']}"
    else:
        agent, live, head = instances.change(session().house(), name, instance, "suspend", reason)
        what = f"instance {instance} of agent {agent['name']}"
        body["instance"] = instance
    svids = outstanding(session().house(), agent["name"], instance)
    return Result(
        "nhictl.agent/v1",
        {"agent": agent, **body, "live_tokens": live, **svids.to_json(), "log": head.to_json()},
        text=[f"{what} suspended; live tokens concerned: {live}", *svids.warning()],
    )
