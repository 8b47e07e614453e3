"""`nhictl guard mcp`."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any, Final

import typer

from nhictl.cli.main import Reply
from nhictl.cli.options import Performs
from nhictl.cli.session import session
from nhictl.enforce.mcp.calls import Calls
from nhictl.enforce.mcp.relay import Relay
from nhictl.enforce.mcp.session import Session
from nhictl.errors import InputError, UnavailableError
from nhictl.ops import guard_grip
from nhictl.ops.guard_call import RECORD, Grip
from nhictl.ops.run_environment import stripped
from nhictl.render.escape import terminal

SETTINGS: Final[dict[str, Any]] = {"allow_interspersed_args": False}


def command(
    argv: Annotated[
        list[str] | None, typer.Argument(metavar="CMD…", help="the MCP server and its arguments, over stdio")
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="the MCP server's address, over streamable HTTP")
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="HOST:PORT", help="with --url: where the client comes [127.0.0.1:0]"),
    ] = None,
    authorization: Annotated[
        str | None,
        typer.Option(
            "--authorization-file",
            metavar="FILE",
            help="with --url: holds the Authorization that the server is asked with",
        ),
    ] = None,
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
    performs: Performs = None,
    deny_as: Annotated[
        str, typer.Option("--deny-as", metavar="result|error", help="a denial as the tool's error, or the protocol's")
    ] = "result",
) -> Reply:
    """Stand between an MCP client and a server: every tools/call is judged with its arguments, recorded, and settled.

    The server is a command that is started here, or at --url: then the client is to come to http://HOST:PORT/mcp, which is
    printed; port 0 takes a free one. Only this user may. Held is --task, else the token that `nhictl run` hands over (with
    --audience), else the task in $NHICTL_TASK. Tools that the task can never use, or that are described otherwise than they
    were declared, are not listed. Other methods than the protocol's own are refused unless passed by --pass. A result that
    cannot be recorded is withheld. The server does not inherit what would let it act for the agent.

    Example: nhictl guard mcp --prefix fs. -- npx -y @modelcontextprotocol/server-filesystem /srv/reports
    """
    if deny_as not in ("result", "error"):
        raise InputError(f"no way to deny `{deny_as}`", code="usage", hint="one of result, error")
    if (url is None) == (not argv):
        raise InputError("the server is a command after --, or --url", code="usage", hint="nhictl guard mcp --help")
    if url is None and (authorization is not None or listen is not None):
        raise InputError("--listen and --authorization-file go with --url", code="usage")
    house, seen_to = session().house(), RECORD | frozenset(performs or ())

    def grip() -> Grip:
        if task is not None:
            return Grip("mcp", task=task, performs=seen_to)
        held = guard_grip.from_environment("mcp", audience, performs=seen_to)
        if held is None:
            raise InputError("there is neither a token nor a task to call under", code="no_authority")
        return held

    grip()  # refused before anything is started
    house.check()
    calls, errors = Calls(house, grip, prefix), deny_as == "error"
    if url is not None:
        from nhictl.enforce.mcp.service import serve

        serve(house, calls, url, listen or "127.0.0.1:0", authorization, passed or (), _note, _announce, errors=errors)
        return Reply(None, 0)
    env = {name: value for name, value in stripped(os.environ, keep or ()).items() if name not in guard_grip.NAMES}
    judge = Session(calls, passed or (), _note, errors=errors)
    command_line = argv or []
    try:
        relay = Relay(judge, command_line, env, (sys.stdin.fileno(), sys.stdout.fileno()))
    except OSError as e:
        why = (e.strerror or str(e)).lower()
        raise UnavailableError(f"cannot run `{command_line[0]}`: {why}", code="server_not_started") from e
    return Reply(None, relay.run())


def _note(text: str) -> None:
    """What people should know; standard output is the protocol's."""
    print(f"nhictl: {terminal(text)}", file=sys.stderr, flush=True)


def _announce(address: str) -> None:
    print(address, flush=True)
