"""`nhictl guard hook`."""

from __future__ import annotations

import signal
import sys
from typing import Annotated, Final

import typer

from nhictl.cli.main import Reply
from nhictl.cli.options import Performs
from nhictl.cli.session import session, stdin_bytes
from nhictl.enforce.hook import event as events
from nhictl.enforce.hook.handle import handle
from nhictl.enforce.hook.hosts import BLOCK, HOSTS
from nhictl.errors import InputError
from nhictl.ops.guard_call import RECORD

OWN_FAILURE: Final = BLOCK
"""Hosts let a call run on any status that is not their blocking one."""
OWN_LIMIT_S: Final = 20
"""Seconds, below what the hosts are told: a host whose own limit is over lets the call run."""


def command(
    host: Annotated[str, typer.Argument(metavar="claude-code|codex", help="whose event comes on standard input")],
    audience: Annotated[
        str | None,
        typer.Option("--audience", metavar="URI", help="who this point is to a token, if one is handed over"),
    ] = None,
    performs: Performs = None,
    deny_as: Annotated[
        str,
        typer.Option("--deny-as", metavar="json|exit", help="a denial as the host's JSON, or as its blocking exit too"),
    ] = "json",
) -> Reply:
    """Decide about a coding agent's tool call, on its hook event, in its own terms. Fails closed: exit 2 blocks.

    Held is the token that `nhictl run` hands over (with --audience), else the task in $NHICTL_TASK, else that of the session,
    in a project that `nhictl guard install` registered. Calls and results are recorded; a denial is exit 0 with the host's
    own denial, or with --deny-as exit the blocking status as well, which nothing that a login shell prints can spoil. A
    prompt is recorded; a call whose permit obliges to what nobody here performs is denied. Put it in place with
    `nhictl guard install`, which also guards against time-outs.

    Example: nhictl guard hook claude-code <event.json
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # it ends this process, and the shell around it then blocks
    signal.alarm(OWN_LIMIT_S)
    if host not in HOSTS:
        raise InputError(f"no host `{host}`", code="usage", hint=f"one of {', '.join(HOSTS)}")
    if deny_as not in ("json", "exit"):
        raise InputError(f"no way to deny `{deny_as}`", code="usage", hint="one of json, exit")
    event = events.parse(stdin_bytes(events.MAX_EVENT))
    said = handle(session().house(), HOSTS[host], event, audience, RECORD | frozenset(performs or ()))
    if said.stdout is not None:
        from nhictl.render.json_text import compact

        sys.stdout.write(compact(said.stdout) + "\n")
        sys.stdout.flush()
    if said.denied is not None and deny_as == "exit":
        print(said.denied, file=sys.stderr)
        return Reply(None, BLOCK)
    return Reply(None, 0)
