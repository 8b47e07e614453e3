"""`nhictl trust list`."""

from __future__ import annotations

from nhictl.cli.options import At
from nhictl.cli.session import session
from nhictl.ops import trusts
from nhictl.render import Result, Table

COLUMNS = ("name", "issuer", "agent", "intents", "open_tasks", "since")


def command(at: At = None) -> Result:
    """List the trusts in foreign issuers that are in force.

    Example: nhictl trust list --at -7d
    """
    found = trusts.everything(session().house(), session().at(at))
    table = Table(COLUMNS, [[", ".join(t[c]) if c == "intents" else t[c] for c in COLUMNS] for t in found])
    return Result("nhictl.trusts/v1", {}, items=found, items_key="items", table=table)
