"""`nhictl token issue`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nhictl.cli.session import session
from nhictl.cli.token.bind import Bind, bound
from nhictl.ops.issue_token import issue_token
from nhictl.ops.reading import seconds
from nhictl.render import Result


def command(
    task: Annotated[str, typer.Option("--task", metavar="T", help="the task it is for")],
    audience: Annotated[str, typer.Option("--audience", metavar="URI", help="who is to accept it: exactly one")],
    ttl: Annotated[str | None, typer.Option("--ttl", metavar="5m", help="how long it lives; at most 1h")] = None,
    instance: Annotated[str | None, typer.Option("--instance", metavar="ID", help="has to be the task's own")] = None,
    uses: Annotated[int | None, typer.Option("--uses", metavar="N", help="how often it may be consumed")] = None,
    profile: Annotated[
        str, typer.Option("--profile", metavar="at+jwt|jwt-svid", help="what kind of token it is")
    ] = "at+jwt",
    bind: Bind = None,
) -> Result:
    """Issue a short-lived token for a task and print it. Its record is durable before it is printed.

    With --bind whoever presents it has to prove that it holds the key, by a DPoP proof for a JWK, by mutual TLS for a
    certificate (PEM); then it may live 4h.
    A jwt-svid says who its holder is, for SPIFFE relying parties, and nothing of what it may do; it lives at most 5m.

    Example: TOKEN=$(nhictl token issue --task $TASK --audience https://api.example.org --ttl 5m)
    """
    house = session().house()
    made, head = issue_token(
        house, task, audience, ttl_s=seconds("--ttl", ttl) if ttl else None, instance=instance, uses=uses, kind=profile,
        bind=bound(bind),
    )  # fmt: skip
    _deliverable(made.jti)
    body = {"token": made.token, "jti": made.jti, "task": made.task, "expires": made.expires, "log": head.to_json()}
    return Result("nhictl.token/v1", body, plain=made.token)


def _deliverable(jti: str) -> None:
    """Leave word for the boundary: if this cannot be printed, nobody has it, and it is revoked."""
    session().undelivered = jti
    sys.stdout.flush()
