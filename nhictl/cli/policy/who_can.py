"""`nhictl policy who-can`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from nhictl.cli.call_options import Arg, Resource, pairs
from nhictl.cli.main import Reply
from nhictl.cli.policy import regions
from nhictl.cli.policy.inputs import Policy, Registry, read_files, read_registry
from nhictl.cli.session import session
from nhictl.ops.policy_openings import who
from nhictl.render import Result


def command(
    tool: Annotated[str, typer.Option("--tool", metavar="T", help="the tool to be called")],
    arg: Arg = None,
    resource: Resource = None,
    policy: Policy = None,
    registry: Registry = None,
) -> Reply:
    """Show which agents may call a tool, and under which conditions. Exit 0 if any may, 1 if none. Never writes.

    Arguments that are not given are free. Without --policy it is the policy in force and the agents of the home.

    Example: nhictl policy who-can --tool pay.send --arg amount=400
    """
    files = read_files(policy)
    agents = read_registry(registry)
    body = who(session().house(), files, agents, tool, pairs("--arg", arg), resource)
    status = 0 if body["regions"] else 3 if body["undecided"] else 1
    return Reply(Result("nhictl.policy_who_can/v1", body, text=_lines(body)), status)


def _lines(body: dict[str, Any]) -> Iterator[str]:
    yield from regions.lines(body["regions"], "*")
    yield from regions.undecided(body)
    if body["agents"]:
        yield f"{', '.join(body['agents'])} may call {body['tool']}"
    elif not body["regions"] and not body["undecided"]:
        yield f"nobody may call {body['tool']}"
