"""`nhictl agent register`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nhictl.cli.session import read_input, session
from nhictl.errors import InputError
from nhictl.ops.reading import seconds
from nhictl.ops.register_agent import Registration, public_from_jwk, register
from nhictl.render import Result


def _labels(given: list[str]) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for text in given:
        key, mark, value = text.partition("=")
        if not mark or key in found:
            raise InputError(f"--label `{text}` is not a new KEY=VALUE", code="usage")
        found[key] = value
    return tuple(sorted(found.items()))


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="a-z, 0-9, `.`, `_` and `-`")],
    owner: Annotated[str, typer.Option("--owner", metavar="WHO", help="who is accountable for it")],
    purpose: Annotated[str, typer.Option("--purpose", metavar="TEXT", help="what it is for")],
    env: Annotated[str | None, typer.Option("--env", metavar="E", help="its environment, such as prod")] = None,
    trust: Annotated[int, typer.Option("--trust", metavar="0..3", help="trust level")] = 0,
    group: Annotated[list[str] | None, typer.Option("--group", metavar="G", help="a group; again for more")] = None,
    label: Annotated[list[str] | None, typer.Option("--label", metavar="K=V", help="a label; again for more")] = None,
    public_key: Annotated[
        str | None, typer.Option("--public-key", metavar="FILE", help="its public key, a P-256 JWK; - for stdin")
    ] = None,
    generate_key: Annotated[bool, typer.Option("--generate-key", help="make a key pair for it")] = False,
    key_out: Annotated[
        Path | None, typer.Option("--key-out", metavar="FILE", help="where the new private key goes, once (0600)")
    ] = None,
    expires: Annotated[str | None, typer.Option("--expires", metavar="90d", help="when it stops being active")] = None,
) -> Result:
    """Register an agent and print its SPIFFE ID.

    Example: nhictl agent register report-bot --owner ops@example.org --purpose "weekly report" --env prod --trust 1
    """
    if public_key is not None and generate_key:
        raise InputError("--public-key and --generate-key exclude each other", code="usage")
    if generate_key != (key_out is not None):
        raise InputError(
            "--generate-key and --key-out go together",
            code="usage",
            hint="the private key is handed out once, as a file",
        )
    public = public_from_jwk(read_input(public_key, 65536), public_key) if public_key is not None else None
    asked = Registration(
        name, owner, purpose, env, trust, tuple(dict.fromkeys(group or ())), _labels(label or []),
        seconds("--expires", expires) if expires else None,
    )  # fmt: skip
    agent, head = register(session().house(), asked, public, key_out if generate_key else None)
    return Result("nhictl.agent/v1", {"agent": agent, "log": head.to_json()}, plain=agent["spiffe_id"])
