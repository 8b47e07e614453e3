"""Leases: a task that lives as long as one process does. Whoever first sees that the process is gone kills the task.

The holder is told by what cannot come back: host, boot, pid namespace, pid, and the moment the process started. The
kernel says who has the lock; the record says who it has to be. What is seen from here decides:

- nobody has the lock, another process has it, or the machine was booted since: `lost`, and the task is killed for good;
- somebody has it, but we are on another host or in another pid namespace, where pids mean others: `unseen`. Then a
  token cannot be decided (`indeterminate`), and nothing is killed;
- the recorded process has it: `held`.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from pathlib import Path
from typing import Any, Final, NamedTuple

from nhictl.core import strict_json
from nhictl.errors import ConflictError, NhictlError, UnavailableError
from nhictl.ops import instances
from nhictl.ops.act import Act, transact, wrong_state
from nhictl.ops.end_task import end
from nhictl.ops.house import House
from nhictl.store import agents as agent_table
from nhictl.store import lease, work

HELD: Final = "held"
LOST: Final = "lost"
UNSEEN: Final = "unseen"
_UNKNOWN: Final = "unknown"
_NOTICE_S: Final = 0.5


class Holder(NamedTuple):
    """One process among all that ever were."""

    host: str
    boot: str
    pid_namespace: str
    pid: int
    start: str


def this_process(proc: Path = Path("/proc")) -> Holder:
    """Ourselves; parts that cannot be read are `unknown`."""
    pid = os.getpid()
    return Holder(os.uname().nodename, *_where(proc, pid), pid, _start(proc, pid))


@functools.cache
def _where(proc: Path, _pid: int) -> tuple[str, str]:
    """Boot and pid namespace: neither changes while a process lives."""
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip() or _UNKNOWN
    except (OSError, ValueError):
        boot = _UNKNOWN
    return boot, instances.pid_namespace(proc)


def _start(proc: Path, pid: int) -> str:
    """When we started; `unknown` where /proc is that of another pid namespace and speaks of others by our number."""
    try:
        same = str((proc / "self").readlink()) == str(pid)
    except OSError:
        same = False
    return instances.start_of(proc, pid) if same else _UNKNOWN


def take(act: Act, row: work.TaskRow, ext: dict[str, Any]) -> None:
    """Bind an open task to this process, with a `lease.taken` record; `ext` says more about what it is for.

    The lock is had before the record is durable. ConflictError (5) if the task has or had a lease; UnavailableError (7)
    where /proc does not say who we are.
    """
    me = this_process()
    if _UNKNOWN in me:
        raise UnavailableError("/proc does not say which process this is, so no lease could be proved", code="no_proc")
    if row.lease is not None:
        raise ConflictError(
            f"task `{row.name}` is bound to another run",
            code="task_leased",
            hint="open another task, or let run open it",
        )
    lease.take(lease.path_of(act.house.home, row.name))
    agent = agent_table.by_id(act.db, row.agent)
    seq = act.record(
        "lease.taken", task_row=row.id, agent=agent.name if agent else None, inst=row.instance, task=row.name,
        ext={"pid": me.pid} | ext,
    )  # fmt: skip
    if not work.lease_task(act.db, row.id, strict_json.dumps({"seq": seq, **me._asdict()})):
        raise wrong_state("task", row.name, "closed")


def standing(house: House, row: work.TaskRow) -> str | None:
    """`held`, `lost` or `unseen` as of now; None for a task without a lease."""
    if row.lease is None:
        return None
    found = json.loads(row.lease)
    return judge(Holder(*(found[name] for name in Holder._fields)), lease.path_of(house.home, row.name))


def judge(known: Holder, path: Path, proc: Path = Path("/proc")) -> str:
    """What can be said from here of the lease in `path` that `known` took."""
    pid = lease.holder(path)
    if pid is None:
        return LOST
    boot, namespace = _where(proc, os.getpid())
    if boot not in (known.boot, _UNKNOWN):
        return LOST
    if pid == lease.UNSEEN or (os.uname().nodename, boot, namespace) != known[:3]:
        return UNSEEN
    if pid != known.pid:
        return LOST
    start = instances.start_of(proc, pid)
    if start == _UNKNOWN:  # gone in this very moment, or hidden from us
        return LOST if lease.holder(path) != pid else UNSEEN
    return HELD if start == known.start else LOST


def refuse_unheld(act: Act, row: work.TaskRow) -> None:
    """ConflictError (5) unless the lease of the task, if it has one, is held: nothing is issued for it any more."""
    now = standing(act.house, row)
    if now == LOST:
        raise ConflictError(f"the lease of task `{row.name}` is lost", code="lease_lost")
    if now == UNSEEN:
        raise ConflictError(
            f"whether the lease of task `{row.name}` is held cannot be seen from here", code="lease_unseen",
            hint="ask on the host and in the pid namespace in which it runs",
        )  # fmt: skip


def bury(act: Act, ident: int) -> bool:
    """Kill a task whose lease is lost: `lease.lost`, then `task.killed`. False if it had ended, or is held after all.

    What the run left lying about goes too; should the act fail, the lease is as lost without its file.
    """
    row = work.task_by_id(act.db, ident)
    if row is None or row.ended is not None or standing(act.house, row) != LOST:
        return False
    agent = agent_table.by_id(act.db, row.agent)
    held = json.loads(row.lease or "{}")
    ext = {"taken": held.get("seq"), "host": held.get("host"), "pid": held.get("pid")}
    act.record(
        "lease.lost", task_row=row.id, agent=agent.name if agent else None, inst=row.instance, task=row.name, ext=ext
    )
    end(act, row, "killed", "its lease was lost")
    from nhictl.ops.run_handover import sweep

    lease.let_go(lease.path_of(act.house.home, row.name))
    sweep(act.house.home, row.name)
    return True


def notice(house: House, ident: int) -> None:
    """Kill a task that was seen to have lost its lease, if that can be written soon.

    Only a help: the lease stays lost, and every check refuses by itself. So whoever asked is not kept waiting, and gets
    the answer also where nothing can be written.
    """
    patience, house.lock_timeout = house.lock_timeout, _NOTICE_S
    try:
        with contextlib.suppress(NhictlError, OSError):
            transact(house, lambda act: bury(act, ident), grants=False, may_rest=True)
    finally:
        house.lock_timeout = patience
