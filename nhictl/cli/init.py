"""`nhictl init`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.session import session
from nhictl.ops.init import initialise
from nhictl.render import Result


def command(
    trust_domain: Annotated[str, typer.Option("--trust-domain", metavar="NAME", help="the SPIFFE trust domain")],
    issuer: Annotated[
        str | None, typer.Option("--issuer", metavar="URL", help="`iss` of the tokens; default spiffe://NAME")
    ] = None,
) -> Result:
    """Start an authority: a 0700 home with keys, database and the log's first record.

    Done again it changes nothing and exits 5.

    Example: nhictl init --trust-domain example.org --issuer https://nhi.example.org
    """
    made, head = initialise(session().house(), trust_domain, issuer)
    return Result(
        "nhictl.authority/v1", {"authority": made, "log": head.to_json()},
        text=[f"authority for {trust_domain} in {session().house().home}", f"log chain {head.chain}"],
    )  # fmt: skip
