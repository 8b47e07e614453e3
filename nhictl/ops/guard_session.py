"""Sessions of a guarded project: each has one task, which ends with it, and one instance, by which the task is found.

The instance is `HOST.SESSION`, so two sessions are two running copies. A session has one task, ever: once that ended,
whoever ended it, the session's calls are refused, and only a new session begins anew.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from nhictl.core import guard_file
from nhictl.core.guard_file import Project
from nhictl.core.identity import spiffe
from nhictl.ops.act import Act, transact
from nhictl.ops.house import House
from nhictl.store import files, sqlite, work

FILE: Final = "guards.json"
_LONGEST: Final = 100


def projects(house: House) -> list[Project]:
    """The projects that `guard install` registered in this home; InputError (2), UnsafeError (6) for a file that is none."""
    house.check()
    path = house.home / FILE
    if not path.exists() and not path.is_symlink():
        return []
    return guard_file.parse(str(path), files.read_secret(path, guard_file.MAX_FILE + 1))


def project_of(house: House, host: str, cwd: str) -> Project | None:
    """The project that covers the folder the host says it works in, links followed."""
    return guard_file.covering(projects(house), host, os.path.realpath(Path(cwd)))


def instance_of(host: str, session: str) -> str:
    """The running copy that a session is. A session id that is no instance id is told by its digest."""
    plain = f"{host}.{session}"
    if len(plain) > _LONGEST or spiffe.instance_fault(plain):
        return f"{host}.sha256.{sha256(session.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
    return plain


def task_of(house: House, host: str, session: str, cwd: str, *, begin: bool) -> str | None:
    """The id of the session's task; opened now if there never was one, the project is registered, and `begin` says so.

    None where the folder is in no project, or nothing was begun. Raises what `open_task` raises.
    """
    copy = instance_of(host, session)
    with sqlite.guarded("read the tasks"):
        if (found := work.newest_open_of(house.db, copy)) is not None:
            return found
    project = project_of(house, host, cwd)
    if project is None:
        return None
    from nhictl.ops import agents, policies, reading  # once a session, while the rest runs before every call
    from nhictl.ops.instances import Instance
    from nhictl.ops.open_task import Order, check, opening

    boxes = reading.boxes(policies.active(house), list(project.allow), None)
    order = Order(project.agent, project.intent, project.purpose, boxes, deadline_s=project.deadline_s)
    check(order)

    def decide(act: Act) -> str | None:
        agent = agents.find(act.house, project.agent)
        if (known := work.newest_of(act.db, agent.id, copy)) is not None:
            return known  # also one that has ended: it is refused by that
        return str(opening(order, Instance(copy, "host"))(act)["id"]) if begin else None

    return transact(house, decide, may_rest=True)[0]


def end_session(house: House, host: str, session: str, more: dict[str, Any]) -> str | None:
    """Close the session's task if it is open; returns its id."""
    from nhictl.ops.end_task import end
    from nhictl.ops.publish_trust import spread

    copy = instance_of(host, session)

    def decide(act: Act) -> str | None:
        name = work.newest_open_of(act.db, copy)
        row = work.task(act.db, name) if name is not None else None
        if row is not None:
            end(act, row, "closed", None, more)
        return name

    ended = transact(house, decide, grants=False, may_rest=True)[0]
    if ended is not None:
        spread(house)
    return ended
