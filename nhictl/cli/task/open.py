"""`nhictl task open`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.session import read_input, session
from nhictl.errors import InputError
from nhictl.ops import policies, reading
from nhictl.ops.open_task import DEFAULT_DEADLINE_S, DEFAULT_TOKENS, Order, open_task
from nhictl.render import Result


def command(
    agent: Annotated[str, typer.Option("--agent", metavar="A", help="who is to do it")],
    intent: Annotated[str, typer.Option("--intent", metavar="SLUG", help="what for, as policies name it")],
    purpose: Annotated[str, typer.Option("--purpose", metavar="TEXT", help="what for, in words")],
    principal: Annotated[
        str | None, typer.Option("--for", metavar="PRINCIPAL", help="on whose behalf; grants nothing")
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option("--allow", metavar="BOX", help="what it may touch; again for more")
    ] = None,
    scope: Annotated[
        str | None, typer.Option("--scope", metavar="FILE", help="what it may touch, as YAML; - for stdin")
    ] = None,
    deadline: Annotated[
        str | None, typer.Option("--deadline", metavar="15m", help="when it ends at the latest; default 1h")
    ] = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", metavar="N", help="tokens it may have")] = DEFAULT_TOKENS,
    max_calls: Annotated[int | None, typer.Option("--max-calls", metavar="N", help="calls it may make")] = None,
    instance: Annotated[
        str | None,
        typer.Option(
            "--instance", metavar="ID", help="which running copy; default: this CI job, else this host and session"
        ),
    ] = None,
    delegate_to: Annotated[
        str | None, typer.Option("--delegate-to", metavar="A[,A…]", help="agents its tokens may be handed to")
    ] = None,
    max_depth: Annotated[int, typer.Option("--max-depth", metavar="N", help="how often they may be handed on")] = 1,
) -> Result:
    r"""Open a task and print its id. Its tokens can never leave the scope given here.

    BOX is TOOL[,TOOL…][@RESOURCE-PREFIX][?COND[&COND…]]; COND is args.NAME and one of = ?= != < <= > >= ~ ^.

    Example: TASK=$(nhictl task open --agent pay-bot --intent pay-invoice --purpose "invoice 118" --deadline 15m \
    --allow 'pay.send?args.amount<=500&args.currency=EUR')
    """
    if delegate_to is None and max_depth != 1:
        raise InputError("--max-depth goes with --delegate-to", code="usage")
    if bool(allow) == (scope is not None):
        raise InputError("give --allow BOX once or more, or --scope FILE", code="usage")
    house = session().house()
    policy = policies.active(house)  # its catalogue types the operands
    file = (scope, read_input(scope, 1_000_000)) if scope is not None else None
    boxes = reading.boxes(policy, allow or [], file)
    order = Order(
        agent, intent, purpose, boxes, principal, reading.seconds("--deadline", deadline) if deadline else DEFAULT_DEADLINE_S,
        max_tokens, max_calls, instance, tuple((delegate_to or "").split(",")) if delegate_to else (), max_depth,
    )  # fmt: skip
    task, head = open_task(house, order)
    return Result("nhictl.task/v1", {"task": task, "log": head.to_json()}, plain=task["id"])
