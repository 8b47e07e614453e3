"""`nhictl policy activate`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.session import read_input, session
from nhictl.ops.activate_policy import activate
from nhictl.render import Result

MAX_FILE = 10_000_000


def command(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="the whole set of rules; - for stdin")],
) -> Result:
    """Put a policy in force. The files together replace whatever was in force before.

    Example: nhictl policy activate samples/payments.policy.yaml
    """
    made, head = activate(session().house(), [(name, read_input(name, MAX_FILE)) for name in files])
    before = f"; it replaces {made['replaces'][:19]}…" if made["replaces"] else ""
    return Result(
        "nhictl.policy/v1", {"policy": made, "log": head.to_json()},
        text=[f"policy {made['id']} in force: {made['rules']} rules, {made['digest']}{before}"],
    )  # fmt: skip
