"""`--bind`, and the proof that goes with a bound token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nhictl.cli.session import read_input
from nhictl.errors import InputError

if TYPE_CHECKING:
    from nhictl.ops.binding import Bound

MAX_KEY = 65536
MAX_PROOF = 8192 + 2

Bind = Annotated[
    str | None,
    typer.Option(
        "--bind", metavar="FILE|agent", help="to a key, JWK or certificate, or the holder's own: proven at every use"
    ),
]
ProofFile = Annotated[
    str | None, typer.Option("--dpop-proof", metavar="FILE", help="a DPoP proof by the key the token is bound to")
]

ClientCert = Annotated[
    str | None, typer.Option("--client-cert", metavar="FILE", help="the certificate the TLS client showed, in PEM")
]


def bound(text: str | None) -> Bound | None:
    """What `--bind` means: `agent`, or the public key or certificate in a file."""
    if text is None or text == "agent":
        return text
    from nhictl.ops.binding import given

    return given(read_input(text, MAX_KEY), text)


def certificate_of(name: str | None) -> bytes | None:
    """The certificate of `--client-cert`, in DER."""
    if name is None:
        return None
    from nhictl.ops.binding import certificate

    return certificate(read_input(name, MAX_KEY), name)


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
