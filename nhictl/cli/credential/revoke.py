"""`nhictl credential revoke`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.main import Reply
from nhictl.cli.session import session
from nhictl.errors import NotFoundError
from nhictl.ops.credentials import revoke_all
from nhictl.render import Result


def command(
    task: Annotated[
        str | None, typer.Option("--task", metavar="T", help="one task, ended or not; default: all that have ended")
    ] = None,
) -> Reply:
    """Revoke downstream secrets that a killed run left behind. Exit 7 if one could not be revoked: try again.

    Example: nhictl credential revoke
    """
    done = revoke_all(session().house(), task)
    if not done:
        raise NotFoundError("nothing is left to be revoked", code="nothing_matched")
    text = [
        f"credential {each.name} of task {each.task} " + (f"not revoked: {each.error}" if each.error else "revoked")
        for each in done
    ]
    failed = any(each.error for each in done)
    body = {"revoked": sum(each.error is None for each in done)}
    items = [each.to_json() for each in done]
    return Reply(
        Result("nhictl.credential_revocation/v1", body, items=items, items_key="items", text=text), 7 if failed else 0
    )
