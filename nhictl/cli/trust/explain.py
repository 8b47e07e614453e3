"""`nhictl trust explain`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from nhictl.cli import subject_token
from nhictl.cli.main import Reply
from nhictl.cli.options import At
from nhictl.cli.session import session
from nhictl.ops.exchange_token import audience_of
from nhictl.ops.explain_trust import explain
from nhictl.render import Result
from nhictl.render.json_text import compact

SCHEMA = "nhictl.trust_explanation/v1"


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the trust")],
    subject_token_file: subject_token.File = None,
    subject_token_env: subject_token.Variable = None,
    at: At = None,
) -> Reply:
    """Show what a trust expects, and of a CI job's token what it says, claim by claim, and why it would be refused.

    Nothing is used up or recorded, so that a job can run it before it exchanges. Claims about people are not shown.
    Exit 1 if an exchange would be refused. Without a token only what is expected is shown.

    Example: nhictl trust explain deploy-main --subject-token-file job.jwt
    """
    house = session().house()
    at_us = session().at(at)
    token = subject_token.given(subject_token_file, subject_token_env, audience_of(house, name))
    body = explain(house, name, token, at_us)
    return Reply(Result(SCHEMA, body, text=_told(body)), 1 if body["would"] == "refuse" else 0)


def _told(body: dict[str, Any]) -> Iterator[str]:
    trust = body["trust"]
    gone = "" if trust["state"] == "in_force" else " (removed)"
    yield f"trust {trust['name']}{gone}: {trust['issuer']} for agent {trust['agent']}, intents {', '.join(trust['intents'])}"
    yield f"audience {trust['audience']}"
    if body["would"] is not None and not body["verified"]:
        yield "THE TOKEN IS NOT VERIFIED: anybody could have written what it says"
    for check in body["checks"]:
        if check["ok"] is False and check["check"] != "match":
            why = f": {check['message']}" if check["message"] else ""
            yield f"  NO  {check['reason']} at step {check['step']}{why}"
        elif check["ok"] is None:
            yield f"   ?  {check['check']}: could not be checked"
    for row in body["claims"]:
        wanted = " or ".join(compact(value) for value in row["expected"])
        if row["matches"] is None:
            yield f"      {row['claim']}: {wanted}"
        elif row["matches"]:
            yield f"  ok  {row['claim']}: {compact(row['got'])}"
        else:
            yield f"  NO  {row['claim']}: expected {wanted}, got {'nothing' if row['got'] is None else compact(row['got'])}"
    for claim, value in body["other_claims"].items():
        yield f"   -  {claim}: {compact(value)}"
    if body["would"] is not None:
        yield "would be exchanged" if body["would"] == "exchange" else "would be refused"
