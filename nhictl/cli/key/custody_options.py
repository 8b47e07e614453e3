"""Options that begin a custody."""

from __future__ import annotations

from typing import Annotated

import typer

CustodyKind = Annotated[
    str, typer.Option("--custody", metavar="KIND", help="who keeps the key of the keys: file|passphrase|helper|keyring")
]
CustodyHelper = Annotated[
    str | None,
    typer.Option("--custody-helper", metavar="COMMAND", help="program and arguments, run with get|store|erase added"),
]
