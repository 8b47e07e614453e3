"""`nhictl key taint`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.key.options import Kid, reply, what
from nhictl.cli.main import Reply
from nhictl.cli.options import Reason
from nhictl.cli.session import session
from nhictl.ops.change_key import taint
from nhictl.render import Result


def command(
    kid: Kid,
    reason: Reason = None,
    now: Annotated[
        bool, typer.Option("--now", help="even the one that signs; then nothing signs until another does")
    ] = False,
) -> Result | Reply:
    """Say that a key is not to be relied on: it never signs again. Names the live tokens it signed; they still verify.

    Replace those, then end the rest with `key revoke`. A stolen key that signs: taint it with --now and revoke it.

    Example: nhictl key taint $OLD --reason "laptop lost" -o json
    """
    done = taint(session().house(), kid, reason, now=now)
    lines = [f"key {kid} is tainted", f"live {what(done)} that depend on it: {done.dependent}"]
    return reply(done, lines, count=done.dependent, tokens=done.tokens)
