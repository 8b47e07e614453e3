"""`guard install`: a host's settings and the home's list of projects are brought to say the same; `--remove` undoes both.

The command that is installed fails closed in the shell that the host runs it with: whatever the guard ends with that is not
its answer (no Python, no home, a full disk, a signal, its own time limit), the shell ends with the host's blocking status.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nhictl.core import guard_file
from nhictl.core.guard_file import DEFAULT_DEADLINE_S, Project
from nhictl.errors import InputError, NotFoundError, UnavailableError
from nhictl.formats import agent_settings
from nhictl.ops import agents, policies, reading
from nhictl.ops.guard_session import FILE, projects
from nhictl.ops.house import House
from nhictl.ops.open_task import Order, check
from nhictl.store import files
from nhictl.store.lock import WriteLock

__all__ = [
    "DEFAULT_DEADLINE_S",
    "Place",
    "Project",
    "checked",
    "command_for",
    "install",
    "place_of",
    "preview",
    "read_settings",
    "remove",
    "uncovered",
]


class Place(NamedTuple):
    """The settings file of a host: a project's own, or the user's."""

    host: str
    path: Path


def place_of(host: str, folder: Path, *, user: bool) -> Place:
    """Where the host reads its hooks; InputError (2) for a host that is not known."""
    if host not in agent_settings.EVENTS:
        raise InputError(f"no host `{host}`", code="usage", hint=f"one of {', '.join(agent_settings.EVENTS)}")
    if not user:
        return Place(host, folder / agent_settings.PROJECT_FILE[host])
    variable, below, name = agent_settings.USER_FILE[host]
    base = os.environ.get(variable)
    return Place(host, (Path(base) if base else Path.home() / below) / name)


def command_for(
    host: str, program: Sequence[str], home: Path, store: str | None, audience: str | None, performs: Sequence[str] = ()
) -> str:
    """What the host's shell is to run: ours, or its blocking status. In `sh`, since hosts take whatever shell the user has,
    and not every shell understands another's `||` and braces.

    The hook limits its own time, but only once it runs: what hangs before (a disk that does not answer) `timeout` ends, where
    the machine has one.
    """
    limit = shutil.which("timeout")
    words = [limit, "-k", "2", str(agent_settings.LIMIT_S)] if limit else []
    words += [*program, "guard", "hook", host, "--home", str(home.absolute()), "--deny-as", "exit"]
    words += ["--store", store] if store else []
    words += ["--audience", audience] if audience else []
    for one in performs:
        words += ["--performs", one]
    script = f'{shlex.join(words)} || {{ echo "nhictl: the guard did not let this pass" >&2; exit 2; }}'
    return f"/bin/sh -c {shlex.quote(script)} {agent_settings.MARK}"


def checked(house: House, project: Project) -> None:
    """Refuse a project under which no session's task could be opened: an unknown agent, a box or label that is none."""
    agents.find(house, project.agent)
    boxes = reading.boxes(policies.active(house), list(project.allow), None)
    check(Order(project.agent, project.intent, project.purpose, boxes, deadline_s=project.deadline_s))


def uncovered(host: str) -> list[str]:
    """What the host cannot be made to block, in words."""
    return list(agent_settings.UNCOVERED[host])


def preview(house: House, project: Project, place: Place) -> tuple[dict[str, Any], str]:
    """The settings that `install` would leave in the host's file, and their text."""
    checked(house, project)
    after = agent_settings.with_handler(read_settings(place), place.host, project.command)
    return after, agent_settings.dump(after).decode()


def read_settings(place: Place) -> dict[str, Any]:
    """What stands in the host's file, nothing where there is none."""
    try:
        data = place.path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as e:
        raise UnavailableError(f"cannot read `{place.path}`: {(e.strerror or str(e)).lower()}") from e
    if len(data) > agent_settings.MAX_FILE:
        raise InputError(f"over {agent_settings.MAX_FILE} bytes", file=str(place.path), code="too_large")
    return agent_settings.load(data, str(place.path))


def install(house: House, project: Project, place: Place) -> bool:
    """Register the project and put the handler into the host's settings; whether anything changed. Again is nothing."""
    checked(house, project)
    with _turn(house):
        before = read_settings(place)
        after = agent_settings.with_handler(before, place.host, project.command)
        known = projects(house)
        kept = [one for one in known if (one.path, one.host) != (project.path, project.host)]
        registered = project in known
        if not registered:
            _write_projects(house, [*kept, project])
        if after != before:
            _write_settings(place, after)
    return not registered or after != before


def remove(house: House, host: str, folder: str, place: Place) -> bool:
    """Take both back; NotFoundError (4) if neither was there. Sessions that are open stay as they are."""
    with _turn(house):
        before = read_settings(place)
        after = agent_settings.without(before)
        known = projects(house)
        kept = [one for one in known if (one.path, one.host) != (folder, host)]
        if after == before and len(kept) == len(known):
            raise NotFoundError(f"no guard of {host} in `{place.path}`, nor for `{folder}`", code="not_installed")
        if after != before:
            _write_settings(place, after)
        if len(kept) != len(known):
            _write_projects(house, kept)
    return True


@contextlib.contextmanager
def _turn(house: House) -> Iterator[None]:
    """One installer at a time, on a lock of its own: two would each write what they read before the other wrote."""
    house.check()
    lock = WriteLock(house.home / "guards.lock")
    lock.acquire(house.lock_timeout)
    try:
        yield
    finally:
        lock.release()


def _write_projects(house: House, found: list[Project]) -> None:
    files.replace(house.home / FILE, guard_file.dump(found), 0o600)


def _write_settings(place: Place, settings: dict[str, Any]) -> None:
    """Replace the file that is really meant, with the mode it has: settings are often links, and may hold secrets."""
    path = Path(os.path.realpath(place.path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    except OSError as e:
        raise UnavailableError(f"cannot write `{path}`: {(e.strerror or str(e)).lower()}") from e
    files.replace(path, agent_settings.dump(settings), mode)
