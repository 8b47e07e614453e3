"""`--bind`, and the proof that goes with a bound token."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.session import read_input
from nhictl.errors import InputError

MAX_KEY = 65536
MAX_PROOF = 8192 + 2

Bind = Annotated[
    str | None,
    typer.Option("--bind", metavar="JWK-FILE|agent", help="to a public key, or the holder's own: proven at every use"),
]
ProofFile = Annotated[
    str | None, typer.Option("--dpop-proof", metavar="FILE", help="a DPoP proof by the key the token is bound to")
]


def bound(text: str | None) -> str | None:
    """What `--bind` means: `agent`, or the thumbprint of the public key in a file."""
    if text is None or text == "agent":
        return text
    from nhictl.ops.binding import given

    return given(read_input(text, MAX_KEY), text)


def proof_of(name: str | None) -> bytes | None:
    """The bytes of a proof; too large a one is cut, which no check lets through."""
    if name is None:
        return None
    try:
        return read_input(name, MAX_PROOF)
    except InputError as e:
        if e.code != "too_large":
            raise
        return b"x" * MAX_PROOF
