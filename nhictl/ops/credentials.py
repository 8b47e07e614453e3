"""Downstream secrets of a task: announced with its lease, acquired just before the command, revoked when the task ends.

Each is announced in a row before its helper is run: whatever is killed in between, what may have been made is known, and
`credential revoke` ends it. A helper therefore has to take a revocation of something that is not there as done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, NamedTuple

from nhictl.core import times
from nhictl.core.credential_file import Declared, parse
from nhictl.errors import ConflictError, InputError, NhictlError, NotFoundError
from nhictl.ops import helper_program, leases
from nhictl.ops.act import Act, transact
from nhictl.ops.house import House
from nhictl.store import agents as agent_table
from nhictl.store import credentials as table
from nhictl.store import files, sqlite, work

FILE: Final = "credentials.yaml"
Prepare = Callable[[], None] | None


def declarations(house: House) -> dict[str, Declared]:
    """What the operator declared in the home's `credentials.yaml`, by name; none without that file.

    InputError (2) with the place of what is wrong in it; UnsafeError (6) if others could read or change it.
    """
    path = house.home / FILE
    if not path.exists() and not path.is_symlink():
        return {}
    return parse(str(path), files.read_secret(path, 1_000_000))


def chosen(house: House, names: Sequence[str]) -> tuple[Declared, ...]:
    """The declarations of these names, each once; InputError (2) for one that is not declared."""
    if not names:
        return ()
    house.check()
    known = declarations(house)
    for name in names:
        if name not in known:
            raise InputError(
                f"no credential `{name}` is declared", code="credential_unknown",
                hint=f"the operator declares them in {house.home / FILE}",
            )  # fmt: skip
    return tuple(known[name] for name in dict.fromkeys(names))


def announce(act: Act, row: work.TaskRow, wanted: Sequence[Declared]) -> None:
    """In the act that takes the lease: these may be acquired. ConflictError (5) for an agent that may not have one."""
    agent = agent_table.by_id(act.db, row.agent)
    name = agent.name if agent else ""
    for declared in wanted:
        if name not in declared.agents:
            raise ConflictError(
                f"agent `{name}` may not have credential `{declared.name}`", code="credential_not_allowed"
            )
        table.announce(act.db, row.id, declared.name, act.seq - 1)


def acquire(house: House, task: str, declared: Declared, prepare: Prepare = None) -> str:
    """Have it made, record it, and return the secret. Whatever fails, it stays announced."""
    with sqlite.guarded("read the tasks"):
        context = _context(house, _task(house, task))
    house.close()  # no helper is run with the database open
    made = helper_program.acquire(declared, context, prepare)

    def decide(act: Act) -> None:
        row = _task(act.house, task)
        sealed = {"handle": made.handle} if made.handle is not None else None
        ext = {"credential": declared.name} | ({"expires": made.expires} if made.expires else {})
        _record(act, row, "credential.acquired", ext, sealed=sealed)
        table.acquired(act.db, row.id, declared.name, made.handle)

    transact(house, decide)
    return made.secret


class Revoked(NamedTuple):
    """One attempt: which secret of which task, and why it failed if it did."""

    task: str
    name: str
    error: str | None

    def to_json(self) -> dict[str, Any]:
        """`error` is null where it succeeded."""
        return {"task": self.task, "credential": self.name, "revoked": self.error is None, "error": self.error}


def revoke_all(
    house: House, task: str | None = None, prepare: Prepare = None, names: Collection[str] | None = None
) -> list[Revoked]:
    """Revoke what tasks that have ended were given, or what the one named was given, and record how that went.

    A task that has lost its lease has ended. `names` limits it to some declarations. NotFoundError (4) if the task is
    unknown.
    """
    with sqlite.guarded("read the credentials"):
        only = _task(house, task).id if task is not None else None
        waiting = [(row, work.task_by_id(house.db, row.task)) for row in table.unrevoked(house.db, only)]
    known = declarations(house) if waiting else {}
    return [
        _revoke(house, owner, row, known.get(row.name), prepare)
        for row, owner in waiting
        if owner is not None and (names is None or row.name in names) and (task is not None or _over(house, owner))
    ]


def _over(house: House, row: work.TaskRow) -> bool:
    if row.ended is None and leases.standing(house, row) == leases.LOST:
        leases.notice(house, row.id)
        return True
    return row.ended is not None


def _revoke(
    house: House, owner: work.TaskRow, row: table.CredentialRow, declared: Declared | None, prepare: Prepare
) -> Revoked:
    error: str | None = None
    try:
        if declared is None:
            raise InputError(f"credential `{row.name}` is declared no more", code="credential_unknown")
        with sqlite.guarded("read the tasks"):
            context = _context(house, owner) | {"handle": row.handle}
        house.close()
        helper_program.revoke(declared, context, prepare)
    except NhictlError as e:
        error = e.message

    def decide(act: Act) -> None:
        kind = "credential.revoked" if error is None else "credential.revoke_failed"
        seq = _record(act, owner, kind, {"credential": row.name}, sealed={"error": error} if error else None)
        if error is None:
            table.end(act.db, owner.id, row.name, seq)

    transact(house, decide, grants=False)
    return Revoked(owner.name, row.name, error)


def _record(
    act: Act, row: work.TaskRow, kind: str, ext: dict[str, Any], *, sealed: dict[str, Any] | None = None
) -> int:  # fmt: skip
    agent = agent_table.by_id(act.db, row.agent)
    return act.record(
        kind, outcome="error" if kind.endswith("failed") else "ok", task_row=row.id, sealed=sealed,
        agent=agent.name if agent else None, inst=row.instance, task=row.name, ext=ext,
    )  # fmt: skip


def _task(house: House, name: str) -> work.TaskRow:
    row = work.task(house.db, name)
    if row is None:
        raise NotFoundError(f"no task `{name}`", code="task_unknown", hint="nhictl task list")
    return row


def _context(house: House, row: work.TaskRow) -> dict[str, Any]:
    """What a helper is told about the task."""
    agent = agent_table.by_id(house.db, row.agent)
    doc = json.loads(row.doc)
    return {
        "task": row.name, "agent": agent.name if agent else None, "intent": doc["intent"],
        "deadline": times.rfc3339(doc["deadline_us"]),
    }  # fmt: skip
