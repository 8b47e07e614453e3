"""`nhictl approval grant`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from nhictl.cli.approval.show import lines
from nhictl.cli.approver_options import Key, KeyPassphrase, signer
from nhictl.cli.session import read_input, session
from nhictl.errors import InputError, RefusedError
from nhictl.ops import approvals
from nhictl.ops.decide_approval import grant, show, signature_from
from nhictl.render import Result
from nhictl.render.escape import terminal

MAX_SIGNATURE = 65536


def command(
    request: Annotated[str, typer.Argument(metavar="ID", help="the access request")],
    key: Key = None,
    key_passphrase_file: KeyPassphrase = None,
    signature: Annotated[
        str | None, typer.Option("--signature", metavar="FILE", help="a signature that was made elsewhere; see show")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask on a terminal")] = False,
) -> Result:
    """Say yes to one exact call, once. It is shown on standard error first.

    For a high-impact class only a signature by one of the policy's approvers of that class counts. Whoever made the call
    cannot approve it, nor anybody inside a run. The yes ends with the request, and any change of the call, its task or the
    policy leaves it without effect.

    Example: nhictl approval grant a-0123456789abcdef --key ~/.ssh/id_ed25519
    """
    if signature is not None and (key is not None or key_passphrase_file is not None):
        raise InputError("either --key or --signature", code="usage")
    if signature is not None:
        sign: Any = signature_from(read_input(signature, MAX_SIGNATURE), signature)
    else:
        sign = signer(key, key_passphrase_file)
    house = session().house()
    shown = show(house, request)
    for line in lines(shown, approvals.to_json(house, shown.row, house.clock())):
        print(terminal(line), file=sys.stderr)
    if not yes and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
        print("say yes to this very call? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise RefusedError("nothing was approved", code="not_confirmed")
    made, head = grant(house, shown, sign)
    last = made["grants"][-1]
    who = last["approver"] or "the owner of the home"
    how = "signed" if last["signed"] else "claimed, not signed"
    left = [each for each in made["classes"] if not any(each in one["classes"] for one in made["grants"])]
    more = f"; still wanted for {', '.join(left)}" if left else ""
    text = f"{made['id']} granted for {', '.join(last['classes'])} by {who}, {how}{more}"
    return Result("nhictl.approval/v1", {"approval": made, "log": head.to_json()}, text=[text])
