"""`nhictl agent apply`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from nhictl.cli.main import Reply
from nhictl.cli.session import read_input, session
from nhictl.ops import apply_agents
from nhictl.render import Result
from nhictl.render.json_text import compact

SCHEMA = "nhictl.apply/v1"
MAX_FILE = 10_000_000


def command(
    file: Annotated[str, typer.Argument(metavar="FILE", help="an agents file, YAML; - for stdin")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="show what would change; exit 1 if anything would, 0 if nothing")
    ] = False,
) -> Reply:
    """Register the agents of a file that are missing and update those that differ, all in one act or none.

    A listed agent becomes exactly what the file says; what the file leaves out is at its default. Agents that are not
    listed, keys and states are left alone: nothing is retired because a line is missing. Done again it changes nothing.

    Example: nhictl agent apply agents.yaml --dry-run
    """
    wanted = apply_agents.read(file, read_input(file, MAX_FILE))
    house = session().house()
    if dry_run:
        changes = [change.to_json() for change in apply_agents.dry_run(house, wanted)]
        body = {"dry_run": True, "changes": changes, "unchanged": len(wanted) - len(changes)}
        return Reply(Result(SCHEMA, body, text=_diff(changes)), 1 if changes else 0)
    done, head = apply_agents.apply(house, wanted)
    changes = [change.to_json() for change in done]
    body = {"dry_run": False, "changes": changes, "unchanged": len(wanted) - len(changes), "log": head.to_json()}
    return Reply(Result(SCHEMA, body, text=_told(changes, len(wanted) - len(changes))), 0)


def _diff(changes: list[dict[str, Any]]) -> Iterator[str]:
    """`+ agent x` with what it will have, `~ agent y` with the old and the new value of what differs, as JSON."""
    for change in changes:
        new = change["action"] == "register"
        yield f"{'+' if new else '~'} agent {change['agent']}"
        for name, values in change["changed"].items():
            if not new:
                yield f"  - {name}: {compact(values['from'])}"
            if not new or values["to"] not in (None, [], {}):
                yield f"  + {name}: {compact(values['to'])}"


def _told(changes: list[dict[str, Any]], unchanged: int) -> Iterator[str]:
    for change in changes:
        what = "registered" if change["action"] == "register" else f"updated: {', '.join(change['changed'])}"
        yield f"agent {change['agent']} {what}"
    yield f"{len(changes)} changed, {unchanged} unchanged"
