"""`run`: a command under a task that lives exactly as long as the command does, however it ends.

The task is bound to this process by a lease before anything is issued for it: were we killed, the kernel lets go of the
lease, and the next local check kills the task. While the command runs the database is closed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from nhictl.core.credential_file import Declared
from nhictl.errors import ConflictError, InputError, NhictlError
from nhictl.ops import credentials, instances, leases, tasks
from nhictl.ops.act import Act, transact, wrong_state
from nhictl.ops.end_task import end_task
from nhictl.ops.house import House
from nhictl.ops.open_task import DEFAULT_TOKENS, Order, open_task
from nhictl.ops.reading import check_audience
from nhictl.ops.run_child import Child, Signals, exit_status
from nhictl.ops.run_environment import stripped
from nhictl.ops.run_handover import KINDS, Handovers
from nhictl.ops.run_token import Tokens
from nhictl.store import lease, sqlite, work

NOT_STARTED: Final = 125
CANNOT_EXECUTE: Final = 126
NOT_FOUND: Final = 127
Say = Callable[[str], None]
_LOOK_US: Final = 2_000_000


class Plan(NamedTuple):
    """What to run, and under what: exactly one of `task` (an open one) and `order` (one to open) is given."""

    command: tuple[str, ...]
    audience: str
    task: str | None = None
    order: Order | None = None
    ttl_s: int | None = None
    deliver: str = "fd"
    keep: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()


def own_instance() -> instances.Instance:
    """Each run is a running copy of its own, also of two in one session; in CI it is the job's."""
    return instances.this_instance(leader=os.getpid())


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
    wanted = credentials.chosen(house, plan.credentials)
    if wanted:
        _tidy(house, {declared.name for declared in wanted}, say)
    with Signals() as signals:
        task, deadline_us = _bind(house, plan, wanted)
        tokens = Tokens(house, task, deadline_us, plan.audience, plan.ttl_s, say)
        end: dict[str, Any] = {}
        try:
            code = _under(house, plan, tokens, wanted, env | {"NHICTL_TASK": task}, signals, say)
            end = {"exit": code}
        except NhictlError as e:
            end = {"failed": e.code}
            raise
        finally:
            _end(house, task, end, say)
            if wanted:
                _revoke(house, task, signals, say)
            lease.let_go(lease.path_of(house.home, task))
            house.close()
    return code


_ERRNO: Final = {NOT_FOUND: 2, CANNOT_EXECUTE: 13}  # ENOENT, EACCES: the same on every Unix


def _executable(name: str, env: dict[str, str]) -> int | None:
    """126 or 127 if that is plain to see before anything is opened for it."""
    if shutil.which(name, path=env.get("PATH", os.defpath)) is not None:
        return None
    if "/" in name:
        return CANNOT_EXECUTE if os.path.lexists(name) else NOT_FOUND
    return CANNOT_EXECUTE if any((Path(folder) / name).is_file() for folder in os.get_exec_path(env)) else NOT_FOUND


def _bind(house: House, plan: Plan, wanted: tuple[Declared, ...]) -> tuple[str, int]:
    """Open the task, or take the open one, and take the lease: one act. Returns the task's id and deadline."""
    ext: dict[str, Any] = {"deliver": plan.deliver} | ({"kept": sorted(set(plan.keep))} if plan.keep else {})
    if wanted:
        ext["credentials"] = [declared.name for declared in wanted]
    taken: list[work.TaskRow] = []

    def take(act: Act, row: work.TaskRow) -> None:
        taken.append(row)
        leases.take(act, row, ext)
        credentials.announce(act, row, wanted)

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
    return taken[0].name, json.loads(taken[0].doc)["deadline_us"]


def _let_go(house: House, rows: list[work.TaskRow]) -> None:
    """Drop what an act that failed had locked; never another's."""
    for row in rows:
        if lease.holder(path := lease.path_of(house.home, row.name)) == os.getpid():
            lease.let_go(path)


def _under(
    house: House,
    plan: Plan,
    tokens: Tokens,
    wanted: tuple[Declared, ...],
    env: dict[str, str],
    signals: Signals,
    say: Say,
) -> int:
    """Issue, acquire, hand over, start, wait."""
    task = tokens.task
    handovers = Handovers(plan.deliver, house.home, task)
    try:
        handover = handovers.add("NHICTL_TOKEN", tokens.first())
        if plan.deliver != "env":
            tokens.renew_into(handover)
        for declared in wanted:
            handovers.add(declared.variable, credentials.acquire(house, task, declared, signals.as_before))
        if (early := signals.ending()) is not None:
            return 128 + early
        house.close()
        try:
            child = Child(plan.command, env | handovers.environment(), handovers.descriptors(), signals)
        except OSError as e:
            say(f"cannot run `{plan.command[0]}`: {(e.strerror or str(e)).lower()}")
            return NOT_FOUND if isinstance(e, FileNotFoundError) else CANNOT_EXECUTE
        return exit_status(
            child.wait(_Watch(house, task, tokens, handovers, signals, say).beat if wanted else tokens.beat)
        )
    finally:
        handovers.close()


def _end(house: House, task: str, end: dict[str, Any], say: Say) -> None:
    """Close the task: whatever fails here, its lease ends with us."""
    try:
        end_task(house, task, "closed", None, end)
    except ConflictError as e:
        say(f"{e}: it ended before the command did" if e.code.startswith("task_") else f"the task is not closed: {e}")
    except NhictlError as e:
        say(f"the task could not be closed ({e}); its authority ends with its lease, now")


def _revoke(house: House, task: str, signals: Signals, say: Say) -> None:
    """Revoke the task's downstream secrets; what fails is said, recorded, and left for `credential revoke`."""
    try:
        for each in credentials.revoke_all(house, task, signals.as_before):
            if each.error is not None:
                say(f"not revoked: {each.error}; try again with: nhictl credential revoke --task {task}")
    except NhictlError as e:
        say(f"credentials may not be revoked: {e}; try again with: nhictl credential revoke --task {task}")


def _tidy(house: House, names: set[str], say: Say) -> None:
    """Revoke first what a killed run of the same kind may have left behind."""
    for each in credentials.revoke_all(house, names=names):
        say(f"credential {each.name} of task {each.task}, whose run was killed: {each.error or 'revoked'}")


class _Watch:
    """Beside renewing, looks every few seconds whether the task was ended by somebody else: then its secrets end too."""

    def __init__(
        self, house: House, task: str, tokens: Tokens, handovers: Handovers, signals: Signals, say: Say
    ) -> None:
        self._house = house
        self._task = task
        self._tokens = tokens
        self._handovers = handovers
        self._signals = signals
        self._say = say
        self._next_us = house.clock() + _LOOK_US

    def beat(self) -> float | None:
        due = self._tokens.beat()
        now = self._house.clock()
        if self._next_us and now >= self._next_us:
            self._next_us = 0 if self._ended() else now + _LOOK_US
        if not self._next_us:
            return due
        left = (self._next_us - now) / 1_000_000
        return left if due is None else min(due, left)

    def _ended(self) -> bool:
        try:
            with sqlite.guarded("read the tasks"):
                over = tasks.state_at(tasks.find(self._house, self._task), self._house.clock()) != "open"
        except NhictlError:
            return False  # the next look may say more
        finally:
            self._house.close()
        if over:
            self._tokens.stop()
            self._handovers.empty()
            _revoke(self._house, self._task, self._signals, self._say)
            self._house.close()
        return over
