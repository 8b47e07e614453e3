"""`nhictl credential list`."""

from __future__ import annotations

from nhictl.cli.session import session
from nhictl.ops import credentials
from nhictl.render import Result, Table

COLUMNS = ("name", "agents", "acquire", "revoke", "timeout_s")


def command() -> Result:
    """List the downstream secrets that the operator declared, and which agents may have them.

    Example: nhictl credential list
    """
    house = session().house()
    house.check()
    found = [each.to_json() for _, each in sorted(credentials.declarations(house).items())]
    rows = [[each[column] for column in COLUMNS] for each in found]
    return Result("nhictl.credentials/v1", {}, items=found, items_key="items", table=Table(COLUMNS, rows))
