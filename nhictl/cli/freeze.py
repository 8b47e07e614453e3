"""`nhictl freeze`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from nhictl.cli.session import session
from nhictl.errors import InputError
from nhictl.ops.freeze import Frozen, freeze
from nhictl.render import Result

All = Annotated[bool, typer.Option("--all", help="everything: every agent, also those to come")]
Agent = Annotated[str | None, typer.Option("--agent", metavar="A", help="this agent")]
Group = Annotated[str | None, typer.Option("--group", metavar="G", help="every agent of this group")]
Env = Annotated[str | None, typer.Option("--env", metavar="E", help="every agent of this environment")]


def command(
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="why; sealed beside the record")],
    everything: All = False,
    agent: Agent = None,
    group: Group = None,
    env: Env = None,
) -> Result:
    """Freeze: from now on every check refuses the agents' tokens, and they get no new tasks and tokens.

    Nobody is registered into a frozen group or environment, and a frozen agent cannot leave it. Nothing is lost:
    `unfreeze` brings back what was not revoked and has not expired.

    Example: nhictl freeze --group payments --reason "incident 42"
    """
    made, head = freeze(session().house(), *chosen(everything, agent, group, env), reason)
    return Result("nhictl.freeze/v1", body(made, True) | {"log": head.to_json()}, text=_lines(made))


def chosen(everything: bool, agent: str | None, group: str | None, env: str | None) -> tuple[str, str]:
    """Kind and value of what is named; InputError (2) unless exactly one thing is."""
    named = [(kind, value) for kind, value in (("agent", agent), ("group", group), ("env", env)) if value is not None]
    if everything:
        named.append(("all", ""))
    if len(named) != 1 or (named[0][0] != "all" and not named[0][1]):
        raise InputError("name one of --all, --agent, --group, --env", code="usage")
    return named[0]


def body(made: Frozen, in_force: bool) -> dict[str, Any]:
    """The members of `nhictl.freeze/v1`."""
    return {
        "freeze": {"selector": made.kind, "value": made.value or None, "in_force": in_force},
        "agents": made.agents, "live_tokens": made.live_tokens,
        "others": [{"selector": one.kind, "value": one.value or None, "record": one.seq} for one in made.others],
    }  # fmt: skip


def _lines(made: Frozen) -> Iterator[str]:
    yield f"{title(made)} frozen; agents: {made.agents}, live tokens stopped: {made.live_tokens}"


def title(made: Frozen) -> str:
    """What was frozen or unfrozen, in words."""
    return "all agents" if made.kind == "all" else f"{made.kind} {made.value}"
