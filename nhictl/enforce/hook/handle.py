"""One event of a host: judged before a call, settled after it, a session's task opened and closed with it.

Whatever is raised here has to block (`hosts.BLOCK`). Before a call there is no third way: an event that is a call is
allowed by a record, or it is denied.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from nhictl.core.token import b64
from nhictl.enforce.hook import event as events
from nhictl.enforce.hook.event import Event
from nhictl.enforce.hook.hosts import Host, answer
from nhictl.errors import NotFoundError
from nhictl.ops import guard_grip as grips
from nhictl.ops import guard_session
from nhictl.ops.guard_call import Call, Grip, begin, called, settle
from nhictl.ops.house import House

NO_TASK = "no task: this folder is in no guarded project, and neither $NHICTL_TASK nor a token is given"


class Said(NamedTuple):
    """What the host is to read on standard output (None: nothing)."""

    stdout: dict[str, Any] | None = None


def handle(house: House, host: Host, event: Event, audience: str | None) -> Said:
    """Do what the event asks for; raises what its operation raises, and all of it has to block."""
    if event.kind == events.CALL:
        return _before(house, host, event, audience)
    if event.kind in (events.RETURNED, events.FAILED):
        return _after(house, host, event)
    if event.kind == events.BEGIN and _given(host, audience) is None:
        guard_session.task_of(house, host.name, event.session, event.cwd, begin=True)
    elif event.kind == events.END:
        guard_session.end_session(house, host.name, event.session, {"host": host.name})
    return Said()


def _given(host: Host, audience: str | None) -> Grip | None:
    return grips.from_environment(f"hook.{host.name}", audience)


def _before(house: House, host: Host, event: Event, audience: str | None) -> Said:
    grip = _given(host, audience)
    if grip is None:
        task = guard_session.task_of(house, host.name, event.session, event.cwd, begin=True)
        if task is None:
            return Said(answer(host, "deny", f"nhictl: {NO_TASK}"))
        grip = Grip(f"hook.{host.name}", task=task)
    made = begin(house, grip, Call(event.tool, event.args or {}, call=event.call, span=event.call))
    if made.allowed:
        return Said(answer(host, "allow", f"nhictl: permitted, record {made.seq}"))
    why = f": {made.message}" if made.message else ""
    return Said(answer(host, "deny", f"nhictl: {made.reason}{why} (record {made.seq})"))


def _after(house: House, host: Host, event: Event) -> Said:
    """Settle the call. The tool has run: a result of a call that nobody was asked about is said to be one, not recorded."""
    task = _task_after(house, host, event)
    made = called(house, task, event.call) if task is not None and event.call is not None else None
    if made is None:
        raise NotFoundError(f"no call `{event.call}` was allowed here, but it returned", code="call_unknown")
    failed = event.kind == events.FAILED
    settle(house, made, "error" if failed else "ok", event.result, error=event.error)
    return Said()


def _task_after(house: House, host: Host, event: Event) -> str | None:
    """The task that the call was made under. A token tells it in `txn`; it only finds the record, and proves nothing."""
    grip = grips.from_environment(f"hook.{host.name}", "any")
    if grip is None:
        return guard_session.task_of(house, host.name, event.session, event.cwd, begin=False)
    return grip.task if grip.task is not None else _named(grip.token or b"")


def _named(token: bytes) -> str | None:
    import json

    try:
        task = json.loads(b64.decode(token.split(b".")[1].decode()))["txn"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return task if isinstance(task, str) else None
