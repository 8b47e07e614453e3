"""`nhictl key prepare`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.key.options import reply
from nhictl.cli.main import Reply
from nhictl.cli.session import session
from nhictl.ops.change_key import prepare
from nhictl.render import Result


def command(
    use: Annotated[str, typer.Option("--use", metavar="USE", help="what it is to sign: token or x509")] = "token",
) -> Result | Reply:
    """Make the next signing key and print its kid. It is published at once and signs nothing until it is activated.

    Example: KID=$(nhictl key prepare)
    """
    done = prepare(session().house(), use)
    return reply(done, [], plain=done.key["kid"])
