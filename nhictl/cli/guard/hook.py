"""`nhictl guard hook`."""

from __future__ import annotations

import signal
import sys
from typing import Annotated, Final

import typer

from nhictl.cli.main import Reply
from nhictl.cli.session import session, stdin_bytes
from nhictl.enforce.hook import event as events
from nhictl.enforce.hook.handle import handle
from nhictl.enforce.hook.hosts import BLOCK, HOSTS
from nhictl.errors import InputError

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
) -> Reply:
    """Decide about a coding agent's tool call, on its hook event, in its own terms. Fails closed: exit 2 blocks.

    Held is the token that `nhictl run` hands over (with --audience), else the task in $NHICTL_TASK, else that of the session,
    in a project that `nhictl guard install` registered. Calls and results are recorded; a denial is exit 0 with the host's
    own denial. Put it in place with `nhictl guard install`, which also guards against time-outs.

    Example: nhictl guard hook claude-code <event.json
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # it ends this process, and the shell around it then blocks
    signal.alarm(OWN_LIMIT_S)
    if host not in HOSTS:
        raise InputError(f"no host `{host}`", code="usage", hint=f"one of {', '.join(HOSTS)}")
    event = events.parse(stdin_bytes(events.MAX_EVENT))
    said = handle(session().house(), HOSTS[host], event, audience)
    if said.stdout is not None:
        from nhictl.render.json_text import compact

        sys.stdout.write(compact(said.stdout) + "\n")
        sys.stdout.flush()
    return Reply(None, 0)
