"""`nhictl token revoke`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from nhictl.cli.options import Reason
from nhictl.cli.session import read_input, session
from nhictl.errors import InputError
from nhictl.ops.reading import TOKEN_LIMIT, moment
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.render import Result


def command(
    jti: Annotated[str | None, typer.Option("--jti", metavar="J", help="the token of this jti")] = None,
    token_file: Annotated[
        str | None, typer.Option("--token-file", metavar="FILE", help="this token; - for stdin")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", metavar="T", help="all tokens this task has had")] = None,
    agent: Annotated[str | None, typer.Option("--agent", metavar="A", help="all tokens this agent has had")] = None,
    instance: Annotated[
        str | None, typer.Option("--instance", metavar="I", help="all tokens of this running copy")
    ] = None,
    kid: Annotated[str | None, typer.Option("--kid", metavar="K", help="all tokens this key of ours signed")] = None,
    principal: Annotated[
        str | None, typer.Option("--principal", metavar="P", help="all tokens on behalf of this principal")
    ] = None,
    issued: Annotated[
        str | None, typer.Option("--issued", metavar="A..B", help="all tokens issued from A up to, not at, B")
    ] = None,
    ci_run: Annotated[str | None, typer.Option("--ci-run", metavar="R", help="all tokens of this CI run")] = None,
    reason: Reason = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what it would end, and end nothing")] = False,
) -> Result:
    """Revoke tokens. Every check begun after this returns refuses them. Nothing matched: exit 4.

    Name one thing. --agent and --issued may stand beside the others and narrow them. Only tokens issued before are
    ended: to stop new ones too, kill the task, suspend the agent, or freeze. A and B are times, RFC 3339 or relative.

    Example: nhictl token revoke --agent report-bot --issued -2h..-30m --reason "incident 42" --dry-run
    """
    token = read_input(token_file, TOKEN_LIMIT) if token_file is not None else None
    times = _range(issued) if issued is not None else None
    selector = Selector(jti, token, task, agent, instance, kid, principal, times, ci_run)
    found, head = revoke(session().house(), selector, reason, dry_run=dry_run)
    body: dict[str, Any] = {
        "revoked": found.total, "live": found.live, "tokens": found.tokens, "dry_run": dry_run, **found.bounds(),
        "local": None if head is None else {"revoked": found.total, "record": head.size - 1}, "published": found.published,
    }  # fmt: skip
    if head is not None:
        body["log"] = head.to_json()
    return Result("nhictl.revocation/v1", body, text=_lines(body))


def _range(text: str) -> tuple[int, int]:
    begin, mark, end = text.partition("..")
    if not mark or not begin or not end:
        raise InputError(
            f"--issued `{text}` is not A..B", code="usage", hint="for example -2h..-30m, or two RFC 3339 times"
        )
    now = session().now_us()
    return moment("--issued", begin, now), moment("--issued", end, now)


def _lines(body: dict[str, Any]) -> Iterator[str]:
    idle = body["revoked"] - body["live"]
    kept = f", {idle} of them not usable at the moment" if idle else ""
    if body["issued"] is not None:
        yield f"issued from {body['issued']['from']} up to {body['issued']['to']}"
    yield f"tokens {'would be ' if body['dry_run'] else ''}revoked: {body['revoked']}{kept}"
    if not body["dry_run"]:
        yield "every local check refuses them from now on; verifiers elsewhere when they expire: no status list is published"
