"""`nhictl agent svid`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nhictl.cli.session import read_input, session
from nhictl.errors import InputError
from nhictl.ops import agent_keys, issue_svid
from nhictl.ops.reading import seconds
from nhictl.render import Result

MAX_REQUEST = 65536


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="name or SPIFFE ID")],
    csr: Annotated[
        str | None, typer.Option("--csr", metavar="FILE", help="a signing request for the key, PEM or DER; - for stdin")
    ] = None,
    key_out: Annotated[
        Path | None, typer.Option("--key-out", metavar="FILE", help="make a key; new file for it, PKCS #8, once (0600)")
    ] = None,
    key_fd: Annotated[
        int | None, typer.Option("--key-fd", metavar="N", help="make a key; open descriptor for it, once")
    ] = None,
    own_key: Annotated[bool, typer.Option("--own-key", help="the key that the agent is registered with")] = False,
    ttl: Annotated[str | None, typer.Option("--ttl", metavar="1h", help="how long it is good; at most 24h")] = None,
    instance: Annotated[
        str | None, typer.Option("--instance", metavar="ID", help="the running copy it is for; this one by default")
    ] = None,
    bundle_out: Annotated[
        Path | None, typer.Option("--bundle-out", metavar="FILE", help="write the authorities to trust, PEM; replaced")
    ] = None,
) -> Result:
    """Certify a key as the agent's and print the certificate, PEM: an X.509-SVID, for mutual TLS.

    Its one name is the agent's SPIFFE ID; of a request the key is taken, once its signature shows who holds it. A
    certificate ends by its time alone, an hour by default: suspending the agent stops new ones, not those that are out.
    The first one makes the authority that signs them, which trust publish puts into spiffe-bundle.json.

    Example: SVID=$(nhictl agent svid report-bot --key-out key.pem --bundle-out bundle.pem)
    """
    house = session().house()
    if [csr is not None, key_out is not None, key_fd is not None, own_key].count(True) != 1:
        raise InputError(
            "a certificate is for one key",
            code="usage",
            hint="one of --csr FILE, --key-out FILE, --key-fd N, --own-key",
        )
    target: agent_keys.Target | None = key_out if key_fd is None else agent_keys.descriptor(key_fd)
    if csr is not None:
        key = issue_svid.requested(house, name, read_input(csr, MAX_REQUEST), csr)
    else:
        key = issue_svid.own(house, name) if own_key else issue_svid.made(house)
    made, head = issue_svid.issue_svid(
        house, name, key, ttl_s=seconds("--ttl", ttl) if ttl else issue_svid.DEFAULT_TTL_S, instance=instance,
        target=target, bundle_out=bundle_out,
    )  # fmt: skip
    return Result("nhictl.svid/v1", {**made.to_json(), "log": head.to_json()}, plain=made.certificate)
