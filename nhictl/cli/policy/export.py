"""`nhictl policy export`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nhictl.cli.main import Reply, report
from nhictl.cli.policy.inputs import Registry, read_files, read_registry
from nhictl.cli.session import session
from nhictl.errors import InputError
from nhictl.ops.export_policy import TARGETS, export_policy
from nhictl.render import Result
from nhictl.render.json_text import indented

PARTS = ("policies", "schema", "entities")
SPREAD = True


def command(
    to: Annotated[str, typer.Option("--to", metavar="|".join(TARGETS), help="whose words to write it in")],
    policy: Annotated[
        list[str] | None, typer.Option("--policy", metavar="FILE…", help="this policy; default: the one in force")
    ] = None,
    registry: Registry = None,
    part: Annotated[
        str, typer.Option("--part", metavar="|".join(PARTS), help="which part of a Cedar export to print")
    ] = PARTS[0],
) -> Reply:
    """Write a policy out for another engine, deciding as it does here; all of it, or not at all.

    Cedar: forbids hold where what they read is missing. What Cedar cannot say is named, and nothing is written; exit 1.
    AuthZEN: for every tool the shape of the request that asks about it. -o json has every part.

    Example: nhictl policy export --to cedar --policy samples/what-if/before.policy.yaml
    """
    if part not in PARTS:
        raise InputError(f"--part `{part}` is none of {', '.join(PARTS)}", code="usage")
    files = read_files(policy)
    agents = read_registry(registry)
    body = export_policy(session().house(), to, files, agents)
    for one in body["refused"]:
        report(InputError(f"{one['where']} cannot be said in {to}: {one['why']}", code="not_expressible"), session())
    plain = None if body["refused"] else _plain(body, part)
    result = Result("nhictl.policy_export/v1", body, plain=plain, text=(), items=body.get("requests"))
    return Reply(result, 1 if body["refused"] else 0)


def _plain(body: dict[str, Any], part: str) -> str:
    if "requests" in body:
        return indented(body["requests"])
    return str(body["cedar"]) if part == "policies" else indented(body["cedar_schema" if part == "schema" else part])
