"""`nhictl token exchange`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from nhictl.cli import subject_token
from nhictl.cli.main import Reply
from nhictl.cli.session import session, stdin_bytes
from nhictl.ops import policies, reading
from nhictl.ops.exchange_checks import Asked
from nhictl.ops.exchange_token import Refused, audience_of, exchange
from nhictl.render import Result


def command(
    trust: Annotated[str, typer.Option("--trust", metavar="NAME", help="the trust that says what the job may have")],
    intent: Annotated[str, typer.Option("--intent", metavar="SLUG", help="what for: one of those the trust lists")],
    audience: Annotated[str, typer.Option("--audience", metavar="URI", help="who is to accept the token: exactly one")],
    subject_token_file: subject_token.File = None,
    subject_token_env: subject_token.Variable = None,
    purpose: Annotated[str | None, typer.Option("--purpose", metavar="TEXT", help="what for, in words")] = None,
    allow: Annotated[
        list[str] | None, typer.Option("--allow", metavar="BOX", help="less than the trust allows; again for more")
    ] = None,
    ttl: Annotated[str | None, typer.Option("--ttl", metavar="5m", help="how long the token lives")] = None,
    deadline: Annotated[
        str | None, typer.Option("--deadline", metavar="15m", help="when the task ends at the latest")
    ] = None,
) -> Reply:
    """Exchange a CI job's own OIDC token for a task and a token, which is printed. Each such token is good once.

    In GitHub Actions the job's token is asked for from the runner, for the trust's audience; elsewhere it is read from a
    file, a variable or standard input. Exit 1 with the reason on standard error if it is refused.

    Example: TOKEN=$(nhictl token exchange --trust deploy-main --intent deploy --audience https://deploy.example.org)
    """
    house = session().house()
    policy = policies.active(house) if allow else None
    asked = Asked(
        intent, audience, reading.boxes(policy, allow or [], None), reading.seconds("--ttl", ttl) if ttl else None,
        reading.seconds("--deadline", deadline) if deadline else None, purpose,
    )  # fmt: skip
    data = subject_token.given(subject_token_file, subject_token_env, audience_of(house, trust))
    if data is None:
        data = stdin_bytes(reading.TOKEN_LIMIT)
    answer, head = exchange(house, trust, data, asked)
    body: dict[str, Any]
    if isinstance(answer, Refused):
        body = {
            "valid": False, "reason": answer.reason, "step": answer.step,
            **({"message": answer.message} if answer.message else {}),
            "status": {"source": "none", "age_s": 0}, "trust": trust, "recorded": answer.recorded,
        }  # fmt: skip
        return _refused(body | ({"log": head.to_json()} if head is not None else {}))
    made = answer.issued
    session().undelivered = made.jti  # if this cannot be printed, nobody has it, and it is revoked
    sys.stdout.flush()
    body = {
        "token": made.token, "jti": made.jti, "task": made.task, "expires": made.expires, "trust": answer.trust,
        "instance": answer.task["instance"], "deadline": answer.task["deadline"], "ci": answer.task["ci"],
        "log": head.to_json() if head is not None else None,
    }  # fmt: skip
    return Reply(Result("nhictl.token/v1", body, plain=made.token), 0)


def _refused(body: dict[str, Any]) -> Reply:
    """Standard output is for the token alone, so that a script never takes a refusal for one."""
    if session().format() is not None:
        return Reply(Result("nhictl.verdict/v1", body), 1)
    why = f": {body['message']}" if body.get("message") else ""
    unrecorded = "" if body["recorded"] else " (not recorded: it was before, or too many were this hour)"
    print(f"nhictl: refused at step {body['step']}: {body['reason']}{why}{unrecorded}", file=sys.stderr)
    print(
        f"  hint: nhictl trust explain {body['trust']} shows every claim, with a token that is fresh", file=sys.stderr
    )
    return Reply(None, 1)
