"""`nhictl trust add`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nhictl.cli.main import Reply
from nhictl.cli.session import read_input, session
from nhictl.cli.trust.findings import line, report
from nhictl.ops import trusts
from nhictl.render import Result


def command(
    file: Annotated[str, typer.Argument(metavar="FILE", help="a trust, YAML or JSON; - for stdin")],
    replace: Annotated[
        bool,
        typer.Option("--replace", help="put it in the place of the one of that name, such as when keys were renewed"),
    ] = False,
) -> Reply:
    """Put a trust in a foreign issuer in force: whose tokens, with which claims, may be exchanged for what.

    It is linted first, and refused if that finds an error. The issuer's keys are pinned: nothing is ever fetched.

    Example: nhictl trust add deploy-main.trust.yaml
    """
    made, head = trusts.add(session().house(), file, read_input(file, trusts.MAX_FILE), replace=replace)
    if isinstance(made, trusts.Refused):
        return report([made.linted])
    trust, warnings = made
    for warning in warnings:
        print(f"nhictl: {line(warning)}", file=sys.stderr)
    body = {"trust": trust, "warnings": warnings, "log": head.to_json() if head is not None else None}
    what = f"for agent {trust['agent']}, intents {', '.join(trust['intents'])}"
    return Reply(Result("nhictl.trust/v1", body, text=[f"trust {trust['name']} in force: {trust['issuer']} {what}"]), 0)
