"""`nhictl token revoke`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.options import Reason
from nhictl.cli.session import read_input, session
from nhictl.errors import InputError
from nhictl.ops.reading import TOKEN_LIMIT
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.render import Result


def command(
    jti: Annotated[str | None, typer.Option("--jti", metavar="J", help="the token of this jti")] = None,
    token_file: Annotated[
        str | None, typer.Option("--token-file", metavar="FILE", help="this token; - for stdin")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", metavar="T", help="all tokens this task has had")] = None,
    agent: Annotated[str | None, typer.Option("--agent", metavar="A", help="all tokens this agent has had")] = None,
    reason: Reason = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what it would end, and end nothing")] = False,
) -> Result:
    """Revoke tokens. Every check begun after this returns refuses them. Nothing matched: exit 4.

    Example: nhictl token revoke --agent report-bot --reason "incident 42" --dry-run
    """
    if sum(choice is not None for choice in (jti, token_file, task, agent)) != 1:
        raise InputError("name what to revoke: one of --jti, --token-file, --task, --agent", code="usage")
    token = read_input(token_file, TOKEN_LIMIT) if token_file is not None else None
    found, head = revoke(session().house(), Selector(jti, token, task, agent), reason, dry_run=dry_run)
    body = {"revoked": found.total, "tokens": found.tokens, "dry_run": dry_run}
    if head is not None:
        body["log"] = head.to_json()
    word = "would be revoked" if dry_run else "revoked"
    return Result("nhictl.revocation/v1", body, text=[f"tokens {word}: {found.total}"])
