"""`nhictl policy import`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.main import Reply, report
from nhictl.cli.session import read_input, session
from nhictl.errors import InputError
from nhictl.ops.import_catalogue import MAX_FILE, SOURCES, import_catalogue
from nhictl.render import Result


def command(
    file: Annotated[str, typer.Argument(metavar="FILE", help="a server's answer to tools/list, JSON; - for stdin")],
    source: Annotated[str, typer.Option("--from", metavar="|".join(SOURCES), help="what it comes from")],
    ident: Annotated[str, typer.Option("--id", metavar="NAME", help="the id of the document")] = "catalogue",
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="TEXT", help="before each tool's name, as in crm.read; see guard mcp")
    ] = "",
    open_unmapped: Annotated[
        bool, typer.Option("--open-unmapped", help="declare a tool `args: open` where its types cannot be said")
    ] = False,
) -> Reply:
    """Make a catalogue of tools out of what an MCP server lists, as a policy file to review. Puts nothing in force.

    A tool whose arguments the catalogue cannot type is refused by name; the exit status is then 2. Each tool gets a digest:
    a call that comes with another one in its context (tool.digest) is denied as tool_drift. Where several servers have
    tools of the same name, give each a --prefix of its own, the same as to `guard mcp`.

    Example: nhictl policy import --from mcp samples/mcp-tools.json --prefix crm. >crm.policy.yaml
    """
    made = import_catalogue(source, file, read_input(file, MAX_FILE), ident, open_unmapped=open_unmapped, prefix=prefix)
    for one in made["refused"]:
        report(InputError(f"tool `{one['tool']}` is left out: {one['why']}", code="tool_refused"), session())
    if made["more"]:
        report(
            InputError("the server has more tools: this is one page of them", code="not_whole"), session(), warning=True
        )
    return Reply(Result("nhictl.catalogue/v1", made, plain=made["document"]), 2 if made["refused"] else 0)
