"""`nhictl token show`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.options import At
from nhictl.cli.session import session
from nhictl.ops import tokens
from nhictl.render import Result, Table


def command(jti: Annotated[str, typer.Argument(metavar="JTI", help="the token's jti")], at: At = None) -> Result:
    """Show how one issued token stands, now or at a moment.

    Example: nhictl token show $JTI --at -10m
    """
    found = tokens.show(session().house(), jti, session().at(at))
    return Result("nhictl.issued_token/v1", {"token": found}, table=Table(("attribute", "value"), list(found.items())))
