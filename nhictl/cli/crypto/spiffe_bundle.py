"""`nhictl crypto spiffe-bundle`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.crypto.checks import Batch, ask_one, findings, json_file
from nhictl.cli.main import Reply
from nhictl.ops.crypto_checks import lint_bundle, lint_bundle_line

SCHEMA = "nhictl.spiffe_bundle_lint/v1"


def command(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="a SPIFFE bundle; - for stdin", show_default=False)
    ] = None,
    batch: Batch = None,
) -> Reply:
    """Find what is wrong with a SPIFFE bundle. Exit 0 valid, 1 when a finding is an error.

    Keys for jwt-svid carry a kid and no certificate, keys for x509-svid exactly one certificate and no kid; RSA and EC
    only. No keys at all is valid: all are revoked.

    Example: nhictl crypto spiffe-bundle spiffe-bundle.json
    """
    if (done := ask_one("FILE", SCHEMA, file, batch, lint_bundle_line)) is not None:
        return done
    return findings(SCHEMA, lint_bundle(json_file(file or "-")), "bundle")
