"""`nhictl policy simulate`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from nhictl.cli.main import Reply, report
from nhictl.cli.policy.inputs import Registry, read_files, read_registry
from nhictl.cli.session import session
from nhictl.errors import InputError
from nhictl.ops.simulate_policy import CLASSES, FAILING, Row, simulate
from nhictl.render import Line, Result, Table
from nhictl.render.json_text import compact

SPREAD = True
COLUMNS = ("file", "position", "run", "n", "agent", "tool", "old", "new", "change", "reason", "rules")
STYLES = {"gained": "red", "maybe_gained": "red", "revoked": "yellow", "maybe_revoked": "yellow", "error": "red"}


def command(
    new: Annotated[list[str] | None, typer.Option("--new", metavar="FILE…", help="the policy to try")] = None,
    log: Annotated[
        list[str] | None, typer.Option("--log", metavar="FILE…", help="logs, or folders; default: the home's own log")
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", metavar="F", help="their format; default: recognised")
    ] = None,
    old: Annotated[
        list[str] | None,
        typer.Option("--old", metavar="FILE…", help="compare with this one; default: the one in force"),
    ] = None,
    recorded: Annotated[bool, typer.Option("--recorded", help="compare with the decisions in the log")] = False,
    registry: Registry = None,
    assume_registered: Annotated[
        bool, typer.Option("--assume-registered", help="take every agent as registered, and nothing else about it")
    ] = False,
    fail_on: Annotated[
        str | None, typer.Option("--fail-on", metavar="|".join(FAILING), help="exit 1 if it occurs, 3 if it might")
    ] = None,
) -> Reply:
    """Say what a policy would have decided about every call of a log. Writes nothing, and makes up no missing fact.

    Each call is unchanged, gained, revoked, maybe_gained, maybe_revoked, unknown or error; limits
    count from where the log begins. With --log, --old or --recorded,
    and --registry or --assume-registered no home is needed. -o jsonl gives every call, other formats those that change.

    Example: nhictl policy simulate --log samples/runs --new samples/what-if/after.policy.yaml --assume-registered
    """
    if not new:
        raise InputError("say which policy to try: --new FILE", code="usage")
    if recorded and old:
        raise InputError("--old and --recorded exclude one another", code="usage")
    if registry is not None and assume_registered:
        raise InputError("--registry and --assume-registered exclude one another", code="usage")
    if fail_on is not None and fail_on not in FAILING:
        raise InputError(f"--fail-on `{fail_on}` is none of {', '.join(FAILING)}", code="usage")
    found = simulate(
        session().house(), log or [], format, read_files(new), read_files(old) if old else None,
        read_registry(registry),
        recorded=recorded, assume=assume_registered,
    )  # fmt: skip
    if session().format() == "jsonl":
        for name, row in found.rows():
            sys.stdout.write(compact({"schema": "nhictl.simulated/v1", **_json(name, row)}) + "\n")
        sys.stdout.flush()
        result = None
    else:
        changed = [(name, row) for name, row in found.rows() if row.change != "unchanged" or row.prevented_by]
        body = found.to_json()
        body["changed"] = [_json(name, row) for name, row in changed]
        table = Table(COLUMNS, (_cells(name, row) for name, row in changed))
        result = Result("nhictl.simulation/v1", body, text=_lines(body, changed), table=table)
    for error in found.refused:
        report(error, session())
    return Reply(result, found.exit(fail_on))


def _json(name: str | None, row: Row) -> dict[str, Any]:
    made = row.to_json()
    return made | {"file": name} if name is not None else made


def _place(row: Row) -> str:
    return " ".join(f"{key} {value}" for key, value in row.to_json()["position"].items() if value is not None)


def _cells(name: str | None, row: Row) -> tuple[Any, ...]:
    event = row.event
    return (
        name, _place(row), event.run, event.n, event.agent, event.tool, row.old, row.new, row.change, row.reason,
        " ".join(row.rules),
    )  # fmt: skip


def _lines(body: dict[str, Any], changed: list[tuple[str | None, Row]]) -> Iterator[Line | str]:
    told = ", ".join(f"{body[name]} {name.replace('_', ' ')}" for name in CLASSES if body[name])
    yield f"{body['events']} calls{': ' if told else ''}{told}"
    if body["prevented"]:
        yield f"{body['prevented']} calls would not have come about: what led to them would have been denied"
    for kind, groups in body["groups"].items():
        moved = [group for group in groups if any(name != "unchanged" for name in group if name in CLASSES)]
        for group in moved[:20]:
            counts = ", ".join(f"{group[name]} {name.replace('_', ' ')}" for name in CLASSES if name in group)
            yield f"  {kind} {group[kind]}: {counts}"
        if len(moved) > 20:
            yield f"  {kind}: and {len(moved) - 20} more, see -o json"
    for name, row in changed:
        yield Line(_line(name, row), style=STYLES.get(row.change))
    for one in body.get("unregistered", ())[:20]:
        yield f"  no agent is registered as {one}: its calls are denied under any policy"
    for one in body.get("integrity", ()):
        yield f"  {one['file'] or 'the log of this home'}: {one['verdict']}"


def _line(name: str | None, row: Row) -> str:
    event = row.event
    where = " ".join(str(part) for part in (name, _place(row)) if part)
    number = f" #{event.n}" if event.n is not None else ""
    why = f" by {', '.join(row.rules)}" if row.rules else ""
    lacking = f", not known: {', '.join(row.missing)}" if row.missing else ""
    cause = row.prevented_by
    below = f"; prevented by {cause['tool']} ({cause['span']})" if cause else ""
    verb = {"allow": "would allow", "deny": "would deny", "unknown": "undecided"}[row.new]
    return (
        f"{row.change}: {event.tool}{number} of {event.agent or '?'} in {event.run or '?'} ({where}): was {row.old}, {verb}: "
        f"{row.reason}{why}{lacking}{below}"
    )
