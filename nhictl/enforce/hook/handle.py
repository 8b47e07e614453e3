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
from nhictl.ops.guard_call import RECORD, Call, Grip, begin, called, sent_with, settle
from nhictl.ops.house import House

NO_TASK = "no task: this folder is in no guarded project, and neither $NHICTL_TASK nor a token is given"


class Said(NamedTuple):
    """What the host is to read on standard output (None: nothing), and why a call is denied, if it is."""

    stdout: dict[str, Any] | None = None
    denied: str | None = None


def handle(house: House, host: Host, event: Event, audience: str | None, performs: frozenset[str] = RECORD) -> Said:
    """Do what the event asks for; raises what its operation raises, and all of it has to block.

    `performs` are the obligations that are seen to here; a call that obliges to others is denied.
    """
    if event.kind == events.CALL:
        return _before(house, host, event, audience, performs)
    if event.kind in (events.RETURNED, events.FAILED):
        return _after(house, host, event)
    if event.kind == events.PROMPT:
        _asked(house, host, event)
    elif event.kind == events.BEGIN and _given(host, audience) is None:
        guard_session.task_of(house, host.name, event.session, event.cwd, begin=True)
    elif event.kind == events.END:
        guard_session.end_session(house, host.name, event.session, {"host": host.name})
    return Said()


def _given(host: Host, audience: str | None, performs: frozenset[str] = RECORD) -> Grip | None:
    return grips.from_environment(f"hook.{host.name}", audience, performs=performs)


def _before(house: House, host: Host, event: Event, audience: str | None, performs: frozenset[str]) -> Said:
    grip = _given(host, audience, performs)
    if grip is None:
        task = guard_session.task_of(house, host.name, event.session, event.cwd, begin=True)
        if task is None:
            return _denied(host, f"nhictl: {NO_TASK}")
        grip = Grip(f"hook.{host.name}", task=task, performs=performs)
    call = Call(event.tool, event.args or {}, call=event.call, span=event.call, parent=event.agent)
    made = begin(house, grip, call)
    if made.allowed:
        return Said(answer(host, "allow", f"nhictl: permitted, record {made.seq}"))
    why = f": {made.message}" if made.message else ""
    how = (
        f"; an approver can let this very call through once: nhictl approval grant {made.request}"
        if made.request
        else ""
    )
    return _denied(host, f"nhictl: {made.reason}{why} (record {made.seq}){how}")


def _denied(host: Host, why: str) -> Said:
    return Said(answer(host, "deny", why), why)


def _asked(house: House, host: Host, event: Event) -> None:
    """Record what a person asked. Where there is no task to record it under, no call will be allowed either."""
    task = _task_of(house, host, event, begin=True)
    if task is not None:
        from nhictl.ops.guard_prompt import record_prompt

        record_prompt(house, f"hook.{host.name}", task, event.prompt)


def _after(house: House, host: Host, event: Event) -> Said:
    """Settle the call. The tool has run: a result of a call that nobody was asked about is said to be one, not recorded."""
    task = _task_of(house, host, event, begin=False)
    made = called(house, task, event.call) if task is not None and event.call is not None else None
    if made is None:
        raise NotFoundError(f"no call `{event.call}` was allowed here, but it returned", code="call_unknown")
    failed = event.kind == events.FAILED
    left = sent_with(event.args or {})
    settle(house, made, "error" if failed else "ok", event.result, error=event.error, bytes_out=left)
    return Said()


def _task_of(house: House, host: Host, event: Event, *, begin: bool) -> str | None:
    """The task that an event is of, which is not judged by it. A token tells it in `txn`: that finds it, and proves nothing."""
    grip = grips.from_environment(f"hook.{host.name}", "any")
    if grip is None:
        return guard_session.task_of(house, host.name, event.session, event.cwd, begin=begin)
    return grip.task if grip.task is not None else _named(grip.token or b"")


def _named(token: bytes) -> str | None:
    import json

    try:
        task = json.loads(b64.decode(token.split(b".")[1].decode()))["txn"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return task if isinstance(task, str) else None
