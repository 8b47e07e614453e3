"""`nhictl policy propose`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.main import Reply, report
from nhictl.cli.policy.inputs import read_files
from nhictl.cli.session import session
from nhictl.errors import InputError
from nhictl.ops.propose_policy import Wanted, propose, to_json
from nhictl.render import Result

KINDS = ("scope", "rules")


def command(
    files: Annotated[list[str] | None, typer.Argument(metavar="[FILE…]", help="more logs")] = None,
    log: Annotated[
        list[str] | None, typer.Option("--log", metavar="FILE", help="logs to learn from; default: the home's own")
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", metavar="F", help="of the logs; default: recognised")
    ] = None,
    intent: Annotated[str | None, typer.Option("--intent", metavar="I", help="of this intent only")] = None,
    runs: Annotated[
        str | None, typer.Option("--runs", metavar="A..B", help="from run A to run B, by name or number from 1")
    ] = None,
    kind: Annotated[str, typer.Option("--as", metavar="|".join(KINDS), help="what to write")] = "scope",
    closed: Annotated[
        bool, typer.Option("--closed", help="rules: declare the arguments of tools that only read, too")
    ] = False,
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", metavar="FILE", help="whose high-impact classes stay shut; default: the one in force"),
    ] = None,
) -> Reply:
    """Propose the narrowest scope or rules that cover what logs show was done and allowed. Activates nothing.

    What says to whom or where is pinned, free text is open; comments give the evidence, and what was not seen. Tools of
    high-impact classes are never opened. Exit 4 if there is nothing to learn from. With files no home is needed.

    Example: nhictl policy propose --log samples/runs --intent backoffice/pay_invoice >scope.yaml
    """
    if kind not in KINDS:
        raise InputError(f"no kind of proposal `{kind}`", code="usage", hint=f"one of {', '.join(KINDS)}")
    house = session().house()
    wanted = Wanted([*(log or ()), *(files or ())], format, intent, runs, kind, closed)
    found = propose(house, wanted, read_files(policy))
    for error in found.story.refused:
        report(error, session())
    body = to_json(found, kind)
    result = Result("nhictl.policy_proposal/v1", body, plain=found.proposal.text)
    return Reply(result, 2 if found.story.refused else found.story.exit)
