"""`nhictl token delegate`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from nhictl.cli.main import Reply
from nhictl.cli.session import read_input, session
from nhictl.cli.token.bind import Bind, ClientCert, ProofFile, bound, certificate_of, proof_of
from nhictl.errors import InputError
from nhictl.ops import policies, reading
from nhictl.ops.delegate_token import delegate
from nhictl.ops.delegation_checks import Refused, Wanted
from nhictl.render import Result


def command(
    to: Annotated[str, typer.Option("--to", metavar="AGENT", help="who is to act with it")],
    allow: Annotated[
        list[str] | None, typer.Option("--allow", metavar="BOX", help="what of it; again for more")
    ] = None,
    bind: Bind = None,
    parent_file: Annotated[
        str, typer.Option("--parent-file", metavar="FILE", help="where the token is that it is made from; - for stdin")
    ] = "-",
    ttl: Annotated[
        str | None, typer.Option("--ttl", metavar="5m", help="how long it lives; never longer than its parent")
    ] = None,
    audience: Annotated[str | None, typer.Option("--audience", metavar="URI", help="has to be its parent's")] = None,
    instance: Annotated[
        str | None, typer.Option("--instance", metavar="ID", help="which running copy of AGENT; default: this session")
    ] = None,
    uses: Annotated[int | None, typer.Option("--uses", metavar="N", help="how often it may be consumed")] = None,
    dpop_proof: ProofFile = None,
    client_cert: ClientCert = None,
) -> Reply:
    """Make a token for another agent out of a token, allowing less, and print it. It ends with its parent at the latest.

    The task says who may be handed its tokens: task open --delegate-to. What is not proven to be narrower is refused with a
    request that shows the difference, and exit 1. A parent that is bound to a key takes a --dpop-proof by that key with the
    method DELEGATE and the issuer as its address; one that is bound to a certificate takes its --client-cert as well.

    Example: nhictl token delegate --to summarizer --allow reports.read --bind agent <token
    """
    if not allow:
        raise InputError("say what it may touch: --allow BOX, once or more", code="usage")
    key = bound(bind)
    if key is None:
        raise InputError("a delegated token is bound to a key: --bind FILE or --bind agent", code="usage")
    if [dpop_proof, client_cert, parent_file].count("-") > 1:
        raise InputError("one thing can come from stdin", code="usage", hint="name a FILE for the others")
    house = session().house()
    wanted = Wanted(
        to, reading.boxes(policies.active(house), allow, None), key, audience,
        reading.seconds("--ttl", ttl) if ttl else None, instance, uses,
    )  # fmt: skip
    answer, head = delegate(house, _parent(parent_file), wanted, proof_of(dpop_proof), certificate_of(client_cert))
    log = {"log": head.to_json()} if head is not None else {}
    if isinstance(answer, Refused):
        return _refused(answer, log)
    made = answer.issued
    session().undelivered = made.jti  # if this cannot be printed, nobody has it, and it is revoked
    sys.stdout.flush()
    body = {"token": made.token, "jti": made.jti, "task": made.task, "expires": made.expires, "act": answer.act, **log}
    return Reply(Result("nhictl.token/v1", body, plain=made.token), 0)


def _parent(name: str) -> bytes:
    try:
        return read_input(name, reading.TOKEN_LIMIT)
    except InputError as e:
        if e.code != "too_large":
            raise
        return b"x" * reading.TOKEN_LIMIT


def _refused(answer: Refused, log: dict[str, Any]) -> Reply:
    """Standard output is for the token alone, so that a script never takes a refusal for one."""
    if session().format() is not None:
        body: dict[str, Any] = {"valid": False, "reason": answer.reason, "step": answer.step}
        body |= {"message": answer.message} if answer.message else {}
        body |= {"witness": answer.witness} if answer.witness is not None else {}
        body |= {"status": {"source": "store" if answer.step >= 14 else "none", "age_s": 0}}
        return Reply(Result("nhictl.verdict/v1", body | {"recorded": answer.recorded} | log), 1)
    why = f": {answer.message}" if answer.message else ""
    print(f"nhictl: refused at step {answer.step}: {answer.reason}{why}", file=sys.stderr)
    return Reply(None, 1)
