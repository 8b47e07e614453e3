"""`nhictl init`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.key.custody_options import CustodyHelper, CustodyKind
from nhictl.cli.session import session
from nhictl.ops.init import initialise
from nhictl.ops.key_custody import Wanted
from nhictl.render import Result


def command(
    trust_domain: Annotated[str, typer.Option("--trust-domain", metavar="NAME", help="the SPIFFE trust domain")],
    issuer: Annotated[
        str | None, typer.Option("--issuer", metavar="URL", help="`iss` of the tokens; default spiffe://NAME")
    ] = None,
    custody: CustodyKind = "file",
    custody_helper: CustodyHelper = None,
) -> Result:
    """Start an authority: a 0700 home with keys, database and the log's first record.

    With --custody file whoever copies the home can sign. passphrase, helper and keyring keep what opens the keys
    elsewhere: see nhictl key custody --help. Done again it changes nothing and exits 5.

    Example: nhictl init --trust-domain example.org --issuer https://nhi.example.org
    """
    house = session().house()
    made, head = initialise(house, trust_domain, issuer, Wanted(custody, custody_helper, house.passphrase))
    lines = [f"authority for {trust_domain} in {house.home}", f"log chain {head.chain}"]
    if custody != "file":
        lines.append(f"custody of its keys: {custody}")
    return Result("nhictl.authority/v1", {"authority": made, "log": head.to_json()}, text=lines)
