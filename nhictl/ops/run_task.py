"""`run`: a command under a task that lives exactly as long as the command does, however it ends.

The task is bound to this process by a lease before anything is issued for it: were we killed, the kernel lets go of the
lease, and the next local check kills the task. While the command runs the database is closed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from nhictl.errors import ConflictError, InputError, NhictlError
from nhictl.ops import leases, tasks
from nhictl.ops.act import Act, transact, wrong_state
from nhictl.ops.end_task import end_task
from nhictl.ops.house import House
from nhictl.ops.open_task import DEFAULT_TOKENS, Order, open_task
from nhictl.ops.reading import check_audience
from nhictl.ops.run_child import Child, Signals, exit_status
from nhictl.ops.run_environment import stripped
from nhictl.ops.run_handover import KINDS, Handovers
from nhictl.ops.run_token import Tokens
from nhictl.store import lease, work

NOT_STARTED: Final = 125
CANNOT_EXECUTE: Final = 126
NOT_FOUND: Final = 127
Say = Callable[[str], None]


class Plan(NamedTuple):
    """What to run, and under what: exactly one of `task` (an open one) and `order` (one to open) is given."""

    command: tuple[str, ...]
    audience: str
    task: str | None = None
    order: Order | None = None
    ttl_s: int | None = None
    deliver: str = "fd"
    keep: tuple[str, ...] = ()


def tokens_for(deadline_s: int, ttl_s: int) -> int:
    """How many tokens a task needs whose token is renewed up to its deadline."""
    return max(DEFAULT_TOKENS, 2 * deadline_s // ttl_s + 10)


def run(house: House, plan: Plan, say: Say) -> int:
    """Carry it out and return the exit status: the command's own, 128+n if signal n ended it, 126 or 127 if it did not start.

    Every error before the start is raised, and then the task has ended if it was bound already. `say` gets what people
    should know meanwhile, one line at a time.
    """
    check_audience(plan.audience)
    if plan.deliver not in KINDS:
        raise InputError(f"no delivery `{plan.deliver}`", code="usage", hint=f"one of {', '.join(KINDS)}")
    env = stripped(os.environ, plan.keep)
    if (missing := _executable(plan.command[0], env)) is not None:
        say(f"cannot run `{plan.command[0]}`: {os.strerror(_ERRNO[missing]).lower()}")
        return missing
    with Signals() as signals:
        task = _bind(house, plan)
        end: dict[str, Any] = {}
        try:
            code = _under(house, plan, task, env, signals, say)
            end = {"exit": code}
        except NhictlError as e:
            end = {"failed": e.code}
            raise
        finally:
            _end(house, task, end, say)
    return code


_ERRNO: Final = {NOT_FOUND: 2, CANNOT_EXECUTE: 13}  # ENOENT, EACCES: the same on every Unix


def _executable(name: str, env: dict[str, str]) -> int | None:
    """126 or 127 if that is plain to see before anything is opened for it."""
    if shutil.which(name, path=env.get("PATH", os.defpath)) is not None:
        return None
    if "/" in name:
        return CANNOT_EXECUTE if os.path.lexists(name) else NOT_FOUND
    return CANNOT_EXECUTE if any((Path(folder) / name).is_file() for folder in os.get_exec_path(env)) else NOT_FOUND


def _bind(house: House, plan: Plan) -> str:
    """Open the task, or take the open one, and take the lease: one act. Returns the task's id."""
    ext = {"deliver": plan.deliver} | ({"kept": sorted(set(plan.keep))} if plan.keep else {})
    taken: list[str] = []

    def take(act: Act, row: work.TaskRow) -> None:
        taken.append(row.name)
        leases.take(act, row, ext)

    def use(act: Act) -> None:
        row = tasks.find(act.house, plan.task or "")
        if (state := tasks.state_at(row, act.now_us)) != "open":
            raise wrong_state("task", row.name, state)
        take(act, row)

    try:
        if plan.order is not None:
            open_task(house, plan.order, take)
        else:
            transact(house, use)
    except BaseException:
        _let_go(house, taken)
        raise
    return taken[0]


def _let_go(house: House, names: list[str]) -> None:
    """Drop what an act that failed had locked; never another's."""
    for name in names:
        if lease.holder(path := lease.path_of(house.home, name)) == os.getpid():
            lease.let_go(path)


def _under(house: House, plan: Plan, task: str, env: dict[str, str], signals: Signals, say: Say) -> int:
    """Issue, hand over, start, wait."""
    tokens = Tokens(house, task, plan.audience, plan.ttl_s, say)
    handovers = Handovers(plan.deliver, house.home, task)
    try:
        handover = handovers.add("NHICTL_TOKEN", tokens.first())
        if plan.deliver != "env":
            tokens.renew_into(handover)
        if (early := signals.ending()) is not None:
            return 128 + early
        house.close()
        try:
            child = Child(
                plan.command, env | {"NHICTL_TASK": task} | handovers.environment(), handovers.descriptors(), signals
            )
        except OSError as e:
            say(f"cannot run `{plan.command[0]}`: {(e.strerror or str(e)).lower()}")
            return NOT_FOUND if isinstance(e, FileNotFoundError) else CANNOT_EXECUTE
        return exit_status(child.wait(tokens.beat))
    finally:
        handovers.close()


def _end(house: House, task: str, end: dict[str, Any], say: Say) -> None:
    """Close the task, then let go of the lease: whatever fails here, the lease ends with us."""
    try:
        end_task(house, task, "closed", None, end)
    except ConflictError as e:
        say(f"{e}: it ended before the command did" if e.code.startswith("task_") else f"the task is not closed: {e}")
    except NhictlError as e:
        say(f"the task could not be closed ({e}); its authority ends with its lease, now")
    lease.let_go(lease.path_of(house.home, task))
    house.close()
