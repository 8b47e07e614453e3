"""`nhictl agent list`."""

from __future__ import annotations

from nhictl.cli.options import At
from nhictl.cli.session import session
from nhictl.ops import agents
from nhictl.render import Result, Table

COLUMNS = ("name", "state", "owner", "env", "trust", "groups", "expires")


def command(at: At = None) -> Result:
    """List agents by name.

    Example: nhictl agent list --at -7d -o csv
    """
    now = session()
    found = agents.everyone(now.house(), now.at(at))
    rows = [[agent[c] for c in COLUMNS] for agent in found]
    return Result("nhictl.agents/v1", {}, items=found, items_key="items", table=Table(COLUMNS, rows))
