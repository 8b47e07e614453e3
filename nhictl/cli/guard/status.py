"""`nhictl guard status`."""

from __future__ import annotations

from typing import Final

from nhictl.cli.main import Reply
from nhictl.cli.session import session
from nhictl.errors import NotFoundError
from nhictl.ops import separation
from nhictl.ops.guard_status import status
from nhictl.render import Result

_MEANS: Final = {separation.NONE: " (the agent runs as you do, so it could switch this off: see `nhictl doctor`)"}


def command() -> Reply:
    """Prove that each guard is on: its installed command is asked about a call that has to be denied. Exit 1 if one is not.

    The probe is recorded like any denial. `separation` says whether the guarded agent could switch the guard off itself.

    Example: nhictl guard status
    """
    found = status(session().house())
    if not found:
        raise NotFoundError("no project is guarded", code="not_installed", hint="nhictl guard install --help")
    items = [one.to_json() for one in found]
    lines: list[str] = []
    for one in items:
        lines.append(f"{'on ' if one['on'] else 'OFF'} {one['host']} in {one['path']}: {one['why']}")
        lines += [f"    no hook for {event} in {one['settings']}" for event in one["missing"]]
        lines.append(f"    separation: {one['separation']}{_MEANS.get(one['separation'], '')}")
        lines += [f"    not covered: {text}" for text in one["uncovered"]]
    return Reply(
        Result("nhictl.guard_status/v1", {"items": items}, text=lines), 0 if all(one.on for one in found) else 1
    )
