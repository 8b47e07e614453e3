"""`nhictl agent update`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.agent.options import labels
from nhictl.cli.session import session
from nhictl.errors import InputError
from nhictl.ops.reading import seconds
from nhictl.ops.update_agent import Edit, update
from nhictl.render import Result

NEVER = "never"


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="name or SPIFFE ID")],
    owner: Annotated[str | None, typer.Option("--owner", metavar="WHO", help="who is accountable for it")] = None,
    purpose: Annotated[str | None, typer.Option("--purpose", metavar="TEXT", help="what it is for")] = None,
    env: Annotated[str | None, typer.Option("--env", metavar="E", help="its environment")] = None,
    no_env: Annotated[bool, typer.Option("--no-env", help="no environment")] = False,
    trust: Annotated[int | None, typer.Option("--trust", metavar="0..3", help="trust level")] = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", metavar="G", help="its groups, instead of all it has; again for more")
    ] = None,
    add_group: Annotated[list[str] | None, typer.Option("--add-group", metavar="G", help="one more group")] = None,
    remove_group: Annotated[
        list[str] | None, typer.Option("--remove-group", metavar="G", help="not that group")
    ] = None,
    label: Annotated[list[str] | None, typer.Option("--label", metavar="K=V", help="a label, new or changed")] = None,
    remove_label: Annotated[
        list[str] | None, typer.Option("--remove-label", metavar="K", help="not that label")
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="90d|never", help="when it stops being active, from now")
    ] = None,
    attested: Annotated[
        bool | None, typer.Option("--attested/--no-attested", help="whether its workload was attested")
    ] = None,
) -> Result:
    """Change what an agent is registered with: one record that says what changed, none if it was all so already.

    Its tokens stay good: they carry none of this, and policy sees the change at the next check.

    Example: nhictl agent update report-bot --trust 2 --add-group finance --expires 90d
    """
    if env is not None and no_env:
        raise InputError("--env and --no-env exclude each other", code="usage")
    if group and (add_group or remove_group):
        raise InputError(
            "--group replaces all groups: it goes with neither --add-group nor --remove-group", code="usage"
        )
    pairs = labels(label or [])
    for what, twice in (
        ("group", set(add_group or ()) & set(remove_group or ())),
        ("label", {key for key, _ in pairs} & set(remove_label or ())),
    ):
        if twice:
            raise InputError(f"{what} `{min(twice)}` is to be added and removed", code="usage")
    never = expires == NEVER
    edit = Edit(
        owner, purpose, env, no_env, trust, tuple(group) if group else None, tuple(add_group or ()),
        tuple(remove_group or ()), pairs, tuple(remove_label or ()),
        seconds("--expires", expires) if expires is not None and not never else None, never, attested,
    )  # fmt: skip
    if edit == Edit():
        raise InputError("nothing to change was named", code="usage", hint="nhictl agent update --help")
    agent, changed, head = update(session().house(), name, edit)
    said = f"updated: {', '.join(changed)}" if changed else "is so already: nothing was changed"
    return Result(
        "nhictl.agent/v1", {"agent": agent, "changed": changed, "log": head.to_json()},
        text=[f"agent {agent['name']} {said}"],
    )  # fmt: skip
