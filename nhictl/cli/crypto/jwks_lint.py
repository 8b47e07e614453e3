"""`nhictl crypto jwks-lint`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.crypto.checks import Batch, ask_one, findings, json_file
from nhictl.cli.main import Reply
from nhictl.ops.crypto_checks import lint_jwks, lint_jwks_line

SCHEMA = "nhictl.jwks_lint/v1"


def command(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="a JWK set; - for stdin", show_default=False)
    ] = None,
    batch: Batch = None,
) -> Reply:
    """Find what is wrong with a set of public keys for verifying signatures. Exit 0 valid, 1 when a finding is an error.

    Errors make a verifier refuse a key, take the wrong one, or believe what anybody could have signed: private or
    symmetric keys, no or the same kid, wrong use or alg, unknown kinds, small, weak or malformed keys. Warnings work
    here and may not elsewhere: no alg, certificates, the same key twice, an empty set.

    Example: nhictl crypto jwks-lint jwks.json
    """
    if (done := ask_one("FILE", SCHEMA, file, batch, lint_jwks_line)) is not None:
        return done
    return findings(SCHEMA, lint_jwks(json_file(file or "-")), "set")
