"""`nhictl key activate`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.key.options import Kid, reply
from nhictl.cli.main import Reply
from nhictl.cli.session import session
from nhictl.ops.change_key import activate
from nhictl.ops.reading import rfc3339
from nhictl.render import Result


def command(
    kid: Kid,
    now: Annotated[
        bool,
        typer.Option("--now", help="do not wait until all verifiers can have it; until then some refuse its tokens"),
    ] = False,
) -> Result | Reply:
    """Let a prepared key sign from now on. The one that signed before becomes old: what it signed still verifies.

    Verifiers fetch keys every 300 s or so. Until the key has been published for that long, this is refused.

    Example: nhictl key activate $KID
    """
    done = activate(session().house(), kid, now=now)
    lines = [f"key {kid} signs from now on" + (f" in place of {done.replaced}" if done.replaced else "")]
    until = None
    if done.early_until_us is not None:
        until = rfc3339(-(-done.early_until_us // 1_000_000))
        lines.append(
            f"verifiers that have not fetched it refuse its tokens as of an unknown key, until {until} at worst"
        )
    return reply(done, lines, replaced=done.replaced, early_until=until)
