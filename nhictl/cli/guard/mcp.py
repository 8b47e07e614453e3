"""`nhictl guard mcp`."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any, Final

import typer

from nhictl.cli.main import Reply
from nhictl.cli.session import session
from nhictl.enforce.mcp.calls import Calls
from nhictl.enforce.mcp.relay import Relay
from nhictl.enforce.mcp.session import Session
from nhictl.errors import InputError, UnavailableError
from nhictl.ops import guard_grip
from nhictl.ops.guard_call import Grip
from nhictl.ops.run_environment import stripped
from nhictl.render.escape import terminal

SETTINGS: Final[dict[str, Any]] = {"allow_interspersed_args": False}


def command(
    argv: Annotated[list[str], typer.Argument(metavar="CMD…", help="the MCP server and its arguments")],
    audience: Annotated[
        str | None, typer.Option("--audience", metavar="URI", help="who this point is to the token that is handed over")
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", metavar="T", help="the task to act under, instead of a token")
    ] = None,
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="TEXT", help="before each tool's name in the catalogue, as in crm.read")
    ] = "",
    passed: Annotated[
        list[str] | None,
        typer.Option(
            "--pass", metavar="GLOB", help="methods to pass that are not judged, such as resources/*; again for more"
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep-env", metavar="VAR", help="a variable to leave to the server; again for more"),
    ] = None,
    deny_as: Annotated[
        str, typer.Option("--deny-as", metavar="result|error", help="a denial as the tool's error, or the protocol's")
    ] = "result",
) -> Reply:
    """Stand between an MCP client and a server: every tools/call is judged with its arguments, recorded, and settled.

    Held is --task, else the token that `nhictl run` hands over (with --audience), else the task in $NHICTL_TASK. Tools that
    the task can never use are not listed. Other methods than the protocol's own are refused unless passed by --pass. A result
    that cannot be recorded is withheld. The server does not inherit what would let it act for the agent.

    Example: nhictl guard mcp --prefix fs. -- npx -y @modelcontextprotocol/server-filesystem /srv/reports
    """
    if deny_as not in ("result", "error"):
        raise InputError(f"no way to deny `{deny_as}`", code="usage", hint="one of result, error")
    house = session().house()

    def grip() -> Grip:
        held = Grip("mcp", task=task) if task is not None else guard_grip.from_environment("mcp", audience)
        if held is None:
            raise InputError("there is neither a token nor a task to call under", code="no_authority")
        return held

    grip()  # refused before anything is started
    house.check()
    env = {name: value for name, value in stripped(os.environ, keep or ()).items() if name not in guard_grip.NAMES}
    judge = Session(Calls(house, grip, prefix), passed or (), _note, errors=deny_as == "error")
    try:
        relay = Relay(judge, argv, env, (sys.stdin.fileno(), sys.stdout.fileno()))
    except OSError as e:
        why = (e.strerror or str(e)).lower()
        raise UnavailableError(f"cannot run `{argv[0]}`: {why}", code="server_not_started") from e
    return Reply(None, relay.run())


def _note(text: str) -> None:
    """What people should know; standard output is the protocol's."""
    print(f"nhictl: {terminal(text)}", file=sys.stderr, flush=True)
