"""`nhictl approval deny`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.approver_options import Key, KeyPassphrase, signer
from nhictl.cli.options import Reason
from nhictl.cli.session import session
from nhictl.ops.decide_approval import deny
from nhictl.render import Result


def command(
    request: Annotated[str, typer.Argument(metavar="ID", help="the access request")],
    reason: Reason = None,
    key: Key = None,
    key_passphrase_file: KeyPassphrase = None,
) -> Result:
    """Say no to a call, or take back a yes that was not used. The same call asks nobody again until the request expires.

    It takes no key; with one, the record says whose no it was.

    Example: nhictl approval deny a-0123456789abcdef --reason "not this supplier"
    """
    made, head = deny(session().house(), request, reason, signer(key, key_passphrase_file))
    text = [f"{made['id']} denied"]
    return Result("nhictl.approval/v1", {"approval": made, "log": head.to_json()}, text=text)
