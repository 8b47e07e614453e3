"""`nhictl agent rotate-key`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.agent.options import GenerateKey, KeyFd, KeyOut, PublicKey, own_key
from nhictl.cli.session import session
from nhictl.errors import InputError
from nhictl.ops import agent_keys
from nhictl.ops.reading import seconds
from nhictl.render import Result


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="name or SPIFFE ID")],
    public_key: PublicKey = None,
    generate_key: GenerateKey = False,
    key_out: KeyOut = None,
    key_fd: KeyFd = None,
    overlap: Annotated[
        str | None, typer.Option("--overlap", metavar="1h", help="how long the old key is still good; 0s: not at all")
    ] = None,
) -> Result:
    """Give an agent a new key and print its thumbprint. The old one stays good for the overlap, an hour by default.

    With --overlap 0s every older key ends at once: the way when one has leaked. Also gives a first key.

    Example: nhictl agent rotate-key report-bot --generate-key --key-out report-bot.jwk --overlap 15m
    """
    key, target = own_key(public_key, generate_key, key_out, key_fd)
    if key is None:
        raise InputError("a new key is missing", code="usage", hint="--public-key FILE, or --generate-key")
    span = agent_keys.DEFAULT_OVERLAP_S
    if overlap is not None:
        span = 0 if overlap == "0s" else seconds("--overlap", overlap)
    agent, head = agent_keys.rotate(session().house(), name, key, target, span)
    return Result("nhictl.agent/v1", {"agent": agent, "log": head.to_json()}, plain=key.kid)
