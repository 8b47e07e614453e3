"""`nhictl policy what-can`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from nhictl.cli.main import Reply
from nhictl.cli.policy import regions
from nhictl.cli.policy.inputs import Policy, Registry, read_files, read_registry
from nhictl.cli.session import session
from nhictl.ops.policy_openings import what
from nhictl.render import Result


def command(
    agent: Annotated[str, typer.Option("--agent", metavar="A", help="who calls")],
    policy: Policy = None,
    registry: Registry = None,
) -> Reply:
    """Show what an agent may call, and under which conditions. Exit 0 if anything, 1 if nothing. Never writes.

    Without --policy it is the policy in force and the agents of the home.

    Example: nhictl policy what-can --agent invoice-bot
    """
    files = read_files(policy)
    agents = read_registry(registry)
    body = what(session().house(), files, agents, agent)
    status = 0 if body["regions"] else 3 if body["undecided"] else 1
    return Reply(Result("nhictl.policy_what_can/v1", body, text=_lines(body)), status)


def _lines(body: dict[str, Any]) -> Iterator[str]:
    yield from regions.lines(body["regions"], "*")
    yield from regions.undecided(body)
    if not body["regions"] and not body["undecided"]:
        yield f"{body['agent']} may call nothing"
