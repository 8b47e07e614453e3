"""Options that several verbs on agents share, and what they are read into."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nhictl.cli.session import read_input, session
from nhictl.errors import InputError
from nhictl.ops import agent_keys

MAX_KEY = 65536

PublicKey = Annotated[
    str | None, typer.Option("--public-key", metavar="FILE", help="its public key, P-256, as JWK or PEM; - for stdin")
]
GenerateKey = Annotated[bool, typer.Option("--generate-key", help="make a key pair for it")]
KeyOut = Annotated[
    Path | None, typer.Option("--key-out", metavar="FILE", help="new file for the new private key, once (0600)")
]
KeyFd = Annotated[
    int | None, typer.Option("--key-fd", metavar="N", help="open descriptor for the new private key, once")
]
Instance = Annotated[
    str | None, typer.Option("--instance", metavar="ID", help="only this running copy; the others go on")
]


def own_key(
    public_key: str | None, generate_key: bool, key_out: Path | None, key_fd: int | None
) -> tuple[agent_keys.OwnKey | None, agent_keys.Target | None]:
    """The key that the options give or ask for, and where its private part goes; InputError (2) if they do not agree."""
    if public_key is not None and generate_key:
        raise InputError("--public-key and --generate-key exclude each other", code="usage")
    if key_out is not None and key_fd is not None:
        raise InputError("--key-out and --key-fd exclude each other: a key is handed out once", code="usage")
    if generate_key != (key_out is not None or key_fd is not None):
        raise InputError(
            "--generate-key goes with --key-out or --key-fd", code="usage",
            hint="the private key is handed out once, as a file or over a descriptor",
        )  # fmt: skip
    if public_key is not None:
        return agent_keys.given(read_input(public_key, MAX_KEY), public_key), None
    if not generate_key:
        return None, None
    target = key_out if key_fd is None else agent_keys.descriptor(key_fd)
    return agent_keys.made(session().house()), target


def labels(given: list[str]) -> tuple[tuple[str, str], ...]:
    """`K=V` texts as pairs, each name once."""
    found: dict[str, str] = {}
    for text in given:
        key, mark, value = text.partition("=")
        if not mark or key in found:
            raise InputError(f"--label `{text}` is not a new KEY=VALUE", code="usage")
        found[key] = value
    return tuple(sorted(found.items()))
