"""`nhictl approval show`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from nhictl.cli.session import session
from nhictl.ops import approvals
from nhictl.ops.decide_approval import Shown, canonical_call, show
from nhictl.render import Result


def command(
    request: Annotated[str, typer.Argument(metavar="ID", help="the access request")],
    statement: Annotated[
        bool, typer.Option("--statement", help="print what is signed, byte for byte, for ssh-keygen -Y sign")
    ] = False,
) -> Result:
    """Show what an access request is about: the exact call, and what an approval of it would bind.

    A key that must not come here signs elsewhere what --statement prints: ssh-keygen -Y sign -f KEY -n nhictl-approval FILE.
    Then approval grant ID --signature FILE.sig.

    Example: nhictl approval show a-0123456789abcdef
    """
    house = session().house()
    shown = show(house, request)
    text = shown.statement.decode()
    approval = approvals.to_json(house, shown.row, house.clock())
    body = {
        "approval": approval, "call": shown.call,
        "canonical_call": canonical_call(shown), "statement": text,
    }  # fmt: skip
    if statement:
        return Result("nhictl.approval/v1", body, plain=text)
    return Result("nhictl.approval/v1", body, text=lines(shown, approval))


def lines(shown: Shown, approval: dict[str, Any]) -> Iterator[str]:
    """The call in words, as an approver has to have seen it."""
    bound = shown.binding
    yield f"{approval['id']} is {approval['state']}, until {approval['expires']}"
    yield f"  call       {canonical_call(shown)}"
    if shown.masked:
        yield f"  masked     {shown.masked} secrets are not shown; a yes binds the call as it was made, with them"
    actors = f", handed on to {', '.join(bound['actors'])}" if bound["actors"] else ""
    yield f"  by         {bound['agent']}, instance {bound['instance']}{actors}"
    yield f"  task       {bound['task']}, on behalf of {bound['principal'] or 'nobody named'}"
    yield f"  classes    {', '.join(approval['classes'])}"
    yield f"  policy     {bound['policy']}"
    for one in approval["grants"]:
        how = "signed" if one["signed"] else "claimed, not signed"
        yield f"  granted    by {one['approver'] or 'the owner of the home'} for {', '.join(one['classes'])}, {how}"
