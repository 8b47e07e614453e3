"""`nhictl crypto spiffe-id`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.crypto.checks import Batch, ask_one, verdict
from nhictl.cli.main import Reply
from nhictl.cli.session import read_input
from nhictl.ops.crypto_checks import MAX_INPUT, check_spiffe_id, spiffe_id_line

SCHEMA = "nhictl.spiffe_id/v1"


def command(
    value: Annotated[
        str | None, typer.Argument(metavar="ID", help="the SPIFFE ID; - reads it from stdin", show_default=False)
    ] = None,
    batch: Batch = None,
) -> Reply:
    """Check a SPIFFE ID by the strict grammar of the specification. Exit 0 valid, 1 with the rule it breaks.

    Example: nhictl crypto spiffe-id spiffe://example.org/agent/report-bot
    """
    if (done := ask_one("ID", SCHEMA, value, batch, spiffe_id_line)) is not None:
        return done
    text = read_input("-", MAX_INPUT).removesuffix(b"\n").decode("utf-8", "replace") if value == "-" else value or ""
    body = check_spiffe_id(text)
    path = f", path {body['path']}" if body.get("path") else ", no path"
    return verdict(SCHEMA, body, f"valid: trust domain {body.get('trust_domain')}{path}")
