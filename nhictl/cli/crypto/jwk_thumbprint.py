"""`nhictl crypto jwk-thumbprint`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.crypto.checks import Batch, ask_one, json_file, refused, verdict
from nhictl.cli.main import Reply
from nhictl.cli.session import session
from nhictl.ops.crypto_checks import thumbprint, thumbprint_line

SCHEMA = "nhictl.thumbprint/v1"


def command(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="a public JWK; - for stdin", show_default=False)
    ] = None,
    batch: Batch = None,
) -> Reply:
    """Print the SHA-256 thumbprint of a public key (RFC 7638): EC, OKP or RSA. Exit 1 for anything else, private keys too.

    Example: nhictl crypto jwk-thumbprint key.json
    """
    if (done := ask_one("FILE", SCHEMA, file, batch, thumbprint_line)) is not None:
        return done
    body = thumbprint(json_file(file or "-"))
    if not body["valid"] and session().format() is None:
        return refused(body)
    return verdict(SCHEMA, body, "", body.get("thumbprint"))
