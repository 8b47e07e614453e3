"""`nhictl trust publish`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.session import session
from nhictl.ops.publish_trust import publish
from nhictl.render import Result


def command(
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="the folder to publish in; made if missing")],
) -> Result:
    """Write the public keys and metadata that others need to check our tokens. Only what differs is touched.

    jwks.json for OAuth and JWT libraries and for the JwtBundle of SPIFFE ones, spiffe-bundle.json for SPIFFE federation
    and X.509-SVIDs, and for an https issuer its metadata under .well-known. The folder is remembered.

    Example: nhictl trust publish --out /srv/www/nhi
    """
    done, head = publish(session().house(), out)
    body = {"out": done.out, "files": done.files, "spiffe_sequence": done.sequence, "notes": done.notes}
    lines = [
        f"{file['sha256'][:16]}  {'written  ' if file['changed'] else 'unchanged'}  {file['path']}"
        for file in done.files
    ]
    lines += [f"in {done.out}, spiffe_sequence {done.sequence}", *done.notes]
    return Result("nhictl.publication/v1", {**body, "log": head.to_json()}, text=lines)
