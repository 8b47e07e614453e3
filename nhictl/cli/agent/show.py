"""`nhictl agent show`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.options import At
from nhictl.cli.session import session
from nhictl.ops import agents
from nhictl.render import Result, Table


def command(name: Annotated[str, typer.Argument(metavar="NAME", help="name or SPIFFE ID")], at: At = None) -> Result:
    """Show one agent.

    Example: nhictl agent show report-bot -o json
    """
    agent = agents.show(session().house(), name, session().at(at))
    return Result("nhictl.agent/v1", {"agent": agent}, table=Table(("attribute", "value"), list(agent.items())))
