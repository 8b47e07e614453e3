"""`nhictl policy diff`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.main import Reply
from nhictl.cli.options import At
from nhictl.cli.policy import regions
from nhictl.cli.policy.inputs import read_registry
from nhictl.cli.session import read_input, session
from nhictl.ops.compare_policies import compare_files, gains
from nhictl.ops.policy_files import ACTIVE, File, active_files, joined
from nhictl.render import Result


def command(
    old: Annotated[str, typer.Argument(metavar="OLD", help="a policy file, several as A,B, or a folder of them")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="likewise; @active is the policy in force")],
    registry: Annotated[str | None, typer.Option("--registry", metavar="FILE", help="only agents of this file")] = None,
    no_new_access: Annotated[
        bool, typer.Option("--no-new-access", help="exit 1 if anything is newly allowed, 3 if undecided")
    ] = False,
    at: At = None,
) -> Reply:
    """Show exactly what a new policy allows that an old one does not, and what it no longer allows. Never writes.

    Every region comes with a request that the two decide differently. Without --registry any agent may exist. Limits and
    people that differ are listed: a looser limit, another opener or approver count as newly allowed.

    Example: nhictl policy diff samples/what-if/before.policy.yaml samples/what-if/after.policy.yaml --no-new-access
    """
    agents = read_registry(registry)
    body = compare_files(session().house(), _files(old), _files(new), agents, session().at(at))
    status = {True: 1, None: 3, False: 0}[gains(body)] if no_new_access else 0
    return Reply(Result("nhictl.policy_diff/v1", body, text=regions.diff(body)), status)


def _files(name: str) -> list[File]:
    return active_files(session().house()) if name == ACTIVE else joined(name, read_input)
