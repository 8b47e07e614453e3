"""`nhictl crypto dpop-verify`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nhictl.cli.crypto.checks import Batch, ask_one, verdict
from nhictl.cli.main import Reply
from nhictl.cli.session import read_input, session
from nhictl.errors import InputError
from nhictl.ops.crypto_checks import MAX_INPUT, verify_dpop, verify_dpop_line

SCHEMA = "nhictl.dpop/v1"


def command(
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="where the proof is; - for stdin", show_default=False)
    ] = None,
    htm: Annotated[str | None, typer.Option("--htm", metavar="M", help="the method of the request")] = None,
    htu: Annotated[str | None, typer.Option("--htu", metavar="U", help="the address of the request")] = None,
    jkt: Annotated[str | None, typer.Option("--jkt", metavar="T", help="the thumbprint its key has to have")] = None,
    token_file: Annotated[
        str | None, typer.Option("--token-file", metavar="FILE", help="the token it goes with: it has to name its hash")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="as of that moment: RFC 3339, or relative (-15m)")
    ] = None,
    batch: Batch = None,
) -> Reply:
    """Check a DPoP proof (RFC 9449) for one request. Exit 0 it holds, 1 refused.

    Nothing is remembered, so a proof that was used before is not told; token verify --consume does that. A line of --batch
    is {"proof","htm","htu","jkt","token","at"}.

    Example: nhictl crypto dpop-verify --htm POST --htu https://api.example.org/reports proof.jwt
    """
    given = file if file is not None else "-" if batch is None else None
    done = ask_one("a proof with --htm M and --htu U", SCHEMA, given, batch, _line)
    if done is not None:
        return done
    if htm is None or htu is None:
        raise InputError("a proof is for one request: --htm M and --htu U", code="usage")
    if given == "-" == token_file:
        raise InputError("proof and token cannot both come from stdin", code="usage", hint="name a FILE for one")
    token = read_input(token_file, MAX_INPUT).strip() if token_file is not None else None
    moment = session().at(at)
    now = session().now_us() if moment is None else moment
    body = verify_dpop(read_input(given or "-", MAX_INPUT), htm, htu, now, token, jkt)
    return verdict(SCHEMA, body, f"valid: by the key {body.get('jkt')}")


def _line(line: dict[str, Any]) -> dict[str, Any]:
    return verify_dpop_line(line, session().now_us())
