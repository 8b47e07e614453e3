"""`nhictl guard install`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from nhictl.cli.session import session
from nhictl.errors import InputError
from nhictl.ops import guard_install, reading
from nhictl.ops.guard_install import DEFAULT_DEADLINE_S, Project
from nhictl.render import Result


def command(
    host: Annotated[str, typer.Argument(metavar="claude-code|codex", help="the coding agent")],
    project: Annotated[str, typer.Option("--project", metavar="DIR", help="the folder that is worked in")] = ".",
    user: Annotated[bool, typer.Option("--user", help="into your own settings, which hold for every folder")] = False,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="A", help="which registered agent works there")
    ] = None,
    intent: Annotated[
        str | None, typer.Option("--intent", metavar="SLUG", help="what for, as policies name it")
    ] = None,
    purpose: Annotated[str | None, typer.Option("--purpose", metavar="TEXT", help="what for, in words")] = None,
    allow: Annotated[
        list[str] | None, typer.Option("--allow", metavar="BOX", help="what a session may touch; again for more")
    ] = None,
    deadline: Annotated[
        str | None, typer.Option("--deadline", metavar="8h", help="how long a session lasts at most")
    ] = None,
    audience: Annotated[
        str | None, typer.Option("--audience", metavar="URI", help="who the guard is to a token that a run hands over")
    ] = None,
    performs: Annotated[
        list[str] | None,
        typer.Option(
            "--performs", metavar="TYPE", help="an obligation that is seen to there otherwise; again for more"
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--print", help="print the settings instead of writing anything")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="take the guard out again")] = False,
) -> Result:
    """Put the guard in front of a coding agent's tools: register the folder, and write the host's hooks.

    Each session in the folder gets a task of its own, for --agent, with --allow as its scope. Again with the same is
    nothing; others' settings stay. Then ask `nhictl guard status`, which proves it.

    Example: nhictl guard install claude-code --agent coder --intent code --purpose "work on the shop" --allow Read --allow Bash
    """
    folder = os.path.realpath(project)
    if not Path(folder).is_dir():
        raise InputError(f"no folder `{project}`", code="usage")
    place = guard_install.place_of(host, Path(folder), user=user)
    house = session().house()
    if remove:
        if show or any((agent, intent, purpose, allow, deadline, audience, performs)):
            raise InputError("--remove goes with --project and --user alone", code="usage")
        guard_install.remove(house, host, folder, place)
        return _said(place, None, f"no guard of {host} in {place.path} any more")
    if missing := [
        n for n, v in (("--agent", agent), ("--intent", intent), ("--purpose", purpose), ("--allow", allow)) if not v
    ]:
        raise InputError(f"{missing[0]} is missing", code="usage", hint="nhictl guard install --help")
    seconds = reading.seconds("--deadline", deadline) if deadline else DEFAULT_DEADLINE_S
    store = session().store or os.environ.get("NHICTL_STORE")
    line = guard_install.command_for(host, _program(), house.home, store, audience, performs or ())
    made = Project(folder, host, agent or "", intent or "", purpose or "", tuple(allow or ()), line, seconds)
    if show:
        settings, text = guard_install.preview(house, made, place)
        body = {"path": str(place.path), "settings": settings}
        return Result("nhictl.guard_settings/v1", body, text=text.splitlines())
    changed = guard_install.install(house, made, place)
    return _said(
        place, made, f"guard of {host} {'written to' if changed else 'stands in'} {place.path}", changed=changed
    )


def _program() -> tuple[str, ...]:
    """How to start ourselves again from anywhere."""
    own = Path(sys.argv[0])
    if own.name == "nhictl" and (found := shutil.which(str(own))) is not None:
        return (str(Path(found).absolute()),)
    return (sys.executable, "-P", "-m", "nhictl")  # -P: else a module of the folder that is worked in could pass for us


def _said(place: guard_install.Place, made: Project | None, first: str, *, changed: bool = True) -> Result:
    uncovered = guard_install.uncovered(place.host) if made is not None else []
    body = {
        "host": place.host, "settings": str(place.path), "changed": changed,
        "project": made.to_json() if made is not None else None, "uncovered": uncovered,
    }  # fmt: skip
    lines = [first, *(f"  not covered: {one}" for one in uncovered)]
    if made is not None:
        lines.append("  see that it is on: nhictl guard status")
    return Result("nhictl.guard/v1", body, text=lines)
