"""`nhictl token verify`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nhictl.cli.call_options import Arg, Context, Resource, Tool, pairs
from nhictl.cli.main import Reply
from nhictl.cli.options import At
from nhictl.cli.session import read_input, session
from nhictl.errors import InputError
from nhictl.ops import policies, reading
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import consume, verify
from nhictl.render import Result


def command(
    audience: Annotated[
        str, typer.Option("--audience", metavar="URI", help="who you are: the token has to be for you")
    ],
    token_file: Annotated[
        str, typer.Option("--token-file", metavar="FILE", help="where the token is; - for stdin")
    ] = "-",
    tool: Tool = None,
    arg: Arg = None,
    resource: Resource = None,
    context: Context = None,
    at: At = None,
    live: Annotated[
        bool, typer.Option("--consume", help="live: checked, counted and recorded in one transaction")
    ] = False,
    profile: Annotated[
        str, typer.Option("--profile", metavar="at+jwt|jwt-svid", help="what kind of token it has to be")
    ] = "at+jwt",
) -> Reply:
    """Verify a token, and with --tool whether it allows that call. Exit 0 valid, 1 refused, 3 cannot be decided.

    Without --consume nothing is written, and the answer says so. For a jwt-svid the task's scope decides about a call.

    Example: nhictl token verify --audience https://api.example.org --tool reports.read --arg limit=10 <token
    """
    if tool is None and (arg or resource is not None or context):
        raise InputError("--arg, --resource and --context describe a call: name its --tool", code="usage")
    if live and at is not None:
        raise InputError("--consume is about now: it excludes --at", code="usage")
    house = session().house()
    data = _token(token_file)
    claimed = reading.context(pairs("--context", context))
    question = Question(data, audience, tool, _arguments(tool, arg), resource, claimed, session().at(at), profile)
    body: dict[str, Any]
    if live:
        verdict, head = consume(house, question)
        body = {**verdict.to_json(), "recorded": True, "log": head.to_json()}
    else:
        verdict = verify(house, question)
        body = {**verdict.to_json(), "recorded": False}
    if at is not None:
        body["hypothetical"] = True
    return Reply(Result("nhictl.verdict/v1", body, text=[_sentence(body, tool)]), verdict.exit)


def _token(name: str) -> bytes:
    """A token, or the first bytes of something too large to be one: that is a verdict, not an error."""
    try:
        return read_input(name, reading.TOKEN_LIMIT)
    except InputError as e:
        if e.code != "too_large":
            raise
        return b"x" * reading.TOKEN_LIMIT


def _arguments(tool: str | None, arg: list[str] | None) -> dict[str, Any] | None:
    if tool is None:
        return None
    return reading.arguments(policies.active(session().house()), tool, pairs("--arg", arg)) if arg else {}


def _sentence(body: dict[str, Any], tool: str | None) -> str:
    why = f": {body['message']}" if body.get("message") else ""
    if body["valid"]:
        claims = body["claims"]
        word = f"allowed: {tool} by" if tool else "valid:"
        until = reading.rfc3339(claims["exp"])
        who = f"{claims['client_id']} for task {claims['txn']}" if "txn" in claims else claims["sub"]
        return f"{word} {who}, token good until {until}"
    return f"{'denied' if tool else 'refused'} at step {body['step']}: {body['reason']}{why}"
