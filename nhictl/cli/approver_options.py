"""Options by which an approver signs: a private key, and where its passphrase is. Neither is ever an option's value."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nhictl.cli.session import read_input
from nhictl.errors import InputError

Key = Annotated[
    str | None,
    typer.Option("--key", metavar="FILE", help="sign with this private key: OpenSSH or PEM, Ed25519 or P-256"),
]
KeyPassphrase = Annotated[
    str | None, typer.Option("--key-passphrase-file", metavar="FILE", help="where the key's passphrase is; - for stdin")
]
MAX_KEY = 16384
MAX_PASSPHRASE = 1024


def signer(key: str | None, passphrase_file: str | None) -> Any:
    """What signs with the key that was named; None where none was. InputError (2) for one that cannot be used."""
    if key is None:
        if passphrase_file is not None:
            raise InputError("--key-passphrase-file goes with --key", code="usage")
        return None
    if key == "-" == passphrase_file:
        raise InputError("key and passphrase cannot both come from stdin", code="usage", hint="name a FILE for one")
    from nhictl.ops.decide_approval import signer_of

    secret = read_input(passphrase_file, MAX_PASSPHRASE).split(b"\n", 1)[0].rstrip(b"\r") if passphrase_file else None
    return signer_of(read_input(key, MAX_KEY), secret, key)
