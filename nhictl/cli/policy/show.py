"""`nhictl policy show`."""

from __future__ import annotations

from nhictl.cli.options import At
from nhictl.cli.session import session
from nhictl.ops.activate_policy import show
from nhictl.render import Result


def command(at: At = None) -> Result:
    """Show the policy in force, as it was written.

    Example: nhictl policy show >in-force.policy.yaml
    """
    found = show(session().house(), session().at(at))
    lines = [f"# {found['id']}: {found['rules']} rules, {found['digest']}, in force since {found['since']}"]
    for file in found["files"]:
        lines += [f"# file {file['name']}", *file["text"].splitlines()]
    return Result("nhictl.policy/v1", {"policy": found}, text=lines)
