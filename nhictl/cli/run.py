"""`nhictl run`."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated, Any, Final

import typer

from nhictl.cli.main import Reply
from nhictl.cli.session import session
from nhictl.errors import InputError
from nhictl.ops import policies, reading
from nhictl.ops.open_task import DEFAULT_DEADLINE_S, Order
from nhictl.ops.run_environment import summary
from nhictl.ops.run_task import NOT_STARTED, Plan, own_instance, run, tokens_for
from nhictl.render.escape import terminal

SETTINGS: Final[dict[str, Any]] = {"allow_interspersed_args": False}
OWN_FAILURE: Final = NOT_STARTED
"""What we exit with where another verb would say more exactly: the other numbers are the command's."""
_DEFAULT_TTL_S: Final = 300


def command(
    argv: Annotated[list[str], typer.Argument(metavar="CMD…", help="the command and its arguments")],
    audience: Annotated[str, typer.Option("--audience", metavar="URI", help="who is to accept its token: exactly one")],
    task: Annotated[
        str | None, typer.Option("--task", metavar="T", help="an open task; it ends with the command")
    ] = None,
    agent: Annotated[str | None, typer.Option("--agent", metavar="A", help="open a task: who is to do it")] = None,
    intent: Annotated[
        str | None, typer.Option("--intent", metavar="SLUG", help="… what for, as policies name it")
    ] = None,
    purpose: Annotated[str | None, typer.Option("--purpose", metavar="TEXT", help="… what for, in words")] = None,
    allow: Annotated[
        list[str] | None, typer.Option("--allow", metavar="BOX", help="… what it may touch; again for more")
    ] = None,
    principal: Annotated[
        str | None, typer.Option("--for", metavar="PRINCIPAL", help="… on whose behalf; grants nothing")
    ] = None,
    deadline: Annotated[
        str | None, typer.Option("--deadline", metavar="1h", help="… when it ends at the latest; default 1h")
    ] = None,
    max_calls: Annotated[int | None, typer.Option("--max-calls", metavar="N", help="… calls it may make")] = None,
    instance: Annotated[str | None, typer.Option("--instance", metavar="ID", help="… which running copy")] = None,
    ttl: Annotated[
        str | None, typer.Option("--ttl", metavar="5m", help="how long one token lives; it is renewed in time")
    ] = None,
    deliver: Annotated[
        str, typer.Option("--deliver", metavar="fd|file|env", help="how the command gets it; env cannot be renewed")
    ] = "fd",
    credential: Annotated[
        list[str] | None,
        typer.Option("--credential", metavar="NAME", help="a secret that the operator declared; again for more"),
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option("--keep-env", metavar="VAR", help="a variable to leave to it; again for more")
    ] = None,
) -> Reply:
    r"""Run a command under a task that ends with it, also if this process is killed. Its exit status is ours.

    The token is at /dev/fd/$NHICTL_TOKEN_FD or in the file $NHICTL_TOKEN_FILE, always a live one: read it when it is
    needed. A --credential is handed over alike, in NHICTL_CRED_NAME_FD or _FILE, and revoked with the task.

    125 if nhictl failed before the start, 126 cannot be executed, 127 not found, 128+n ended by signal n.

    Example: nhictl run --agent report-bot --intent report --purpose "week 47" --allow reports.read \
    --audience https://api.example.org -- sh -c 'curl -H "Authorization: Bearer $(cat /dev/fd/$NHICTL_TOKEN_FD)" …'
    """
    opening = {"--agent": agent, "--intent": intent, "--purpose": purpose}
    others = {"--allow": allow, "--for": principal, "--deadline": deadline, "--max-calls": max_calls,
              "--instance": instance}  # fmt: skip
    ttl_s = reading.seconds("--ttl", ttl) if ttl else None
    order = None
    if task is not None:
        if given := [name for name, value in (opening | others).items() if value]:
            raise InputError(f"{given[0]} is for opening a task; --task names an open one", code="usage")
    else:
        if missing := [name for name, value in (opening | {"--allow": allow}).items() if not value]:
            raise InputError(
                f"{missing[0]} is missing", code="usage", hint="give --task T, or what to open a task with"
            )
        deadline_s = reading.seconds("--deadline", deadline) if deadline else DEFAULT_DEADLINE_S
        boxes = reading.boxes(policies.active(session().house()), allow or [], None)
        order = Order(
            agent or "", intent or "", purpose or "", boxes, principal, deadline_s,
            tokens_for(deadline_s, ttl_s or _DEFAULT_TTL_S), max_calls, instance or own_instance(),
        )  # fmt: skip
    plan = Plan(tuple(argv), audience, task, order, ttl_s, deliver, tuple(keep or ()), tuple(credential or ()))
    return Reply(None, run(session().house(), plan, _say))


def _say(line: str) -> None:
    """Tell people on standard error, which the command shares: only what they have to know."""
    with contextlib.suppress(OSError):  # nobody reads it: the command goes on all the same
        print(f"nhictl: {terminal(line)}", file=sys.stderr, flush=True)


command.__doc__ = (command.__doc__ or "").replace(
    "\n\n    Example:", f"\n\n    The command does not inherit, unless kept by name: {summary()}\n\n    Example:"
)
