"""`nhictl agent register`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.agent.options import GenerateKey, KeyFd, KeyOut, PublicKey, labels, own_key
from nhictl.cli.session import session
from nhictl.ops.reading import seconds
from nhictl.ops.register_agent import Registration, register
from nhictl.render import Result


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="a-z, 0-9, `.`, `_` and `-`")],
    owner: Annotated[str, typer.Option("--owner", metavar="WHO", help="who is accountable for it")],
    purpose: Annotated[str, typer.Option("--purpose", metavar="TEXT", help="what it is for")],
    env: Annotated[str | None, typer.Option("--env", metavar="E", help="its environment, such as prod")] = None,
    trust: Annotated[int, typer.Option("--trust", metavar="0..3", help="trust level")] = 0,
    group: Annotated[list[str] | None, typer.Option("--group", metavar="G", help="a group; again for more")] = None,
    label: Annotated[list[str] | None, typer.Option("--label", metavar="K=V", help="a label; again for more")] = None,
    public_key: PublicKey = None,
    generate_key: GenerateKey = False,
    key_out: KeyOut = None,
    key_fd: KeyFd = None,
    expires: Annotated[str | None, typer.Option("--expires", metavar="90d", help="when it stops being active")] = None,
) -> Result:
    """Register an agent and print its SPIFFE ID.

    Example: nhictl agent register report-bot --owner ops@example.org --purpose "weekly report" --env prod --trust 1
    """
    key, target = own_key(public_key, generate_key, key_out, key_fd)
    asked = Registration(
        name, owner, purpose, env, trust, tuple(dict.fromkeys(group or ())), labels(label or []),
        seconds("--expires", expires) if expires else None,
    )  # fmt: skip
    agent, head = register(session().house(), asked, key, target)
    return Result("nhictl.agent/v1", {"agent": agent, "log": head.to_json()}, plain=agent["spiffe_id"])
