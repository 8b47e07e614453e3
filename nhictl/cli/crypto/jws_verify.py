"""`nhictl crypto jws-verify`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nhictl.cli.crypto.checks import Batch, ask_one, json_file, refused, verdict
from nhictl.cli.main import Reply
from nhictl.cli.session import read_input
from nhictl.errors import InputError
from nhictl.ops.crypto_checks import MAX_INPUT, verify_jws, verify_jws_line

SCHEMA = "nhictl.jws/v1"


def command(
    file: Annotated[str, typer.Argument(metavar="[FILE]", help="where the compact JWS is; - for stdin")] = "-",
    jwk: Annotated[str | None, typer.Option("--jwk", metavar="FILE", help="the public key, a JWK; - for stdin")] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="print the payload, byte for byte, if the signature holds")
    ] = False,
    batch: Batch = None,
) -> Reply:
    """Check a compact JWS with any payload against one public key. Exit 0 the signature holds, 1 refused.

    RS, PS and ES 256 to 512, EdDSA (Ed25519 only) and Ed25519; symmetric keys are refused. What the key says about
    its alg, use, key_ops and kid binds.

    Example: nhictl crypto jws-verify --jwk key.json --raw <message.jws
    """
    if (done := ask_one("a JWS and its --jwk FILE", SCHEMA, jwk, batch, verify_jws_line)) is not None:
        if raw or file != "-":
            raise InputError("--raw and FILE go with a single JWS, not with --batch", code="usage")
        return done
    if jwk == "-" and file == "-":
        raise InputError("the key and the JWS cannot both come from stdin", code="usage", hint="name a FILE for one")
    body, payload = verify_jws(json_file(jwk or "-"), read_input(file, MAX_INPUT))
    if not raw:
        return verdict(SCHEMA, body, f"valid: signed by this key with {body.get('alg')}")
    if not body["valid"]:
        return refused(body)
    sys.stdout.flush()
    sys.stdout.buffer.write(payload)
    sys.stdout.buffer.flush()
    return Reply(None, 0)
