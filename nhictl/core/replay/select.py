"""Filters over events; what a filter leaves out for want of evidence is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.glob import Glob

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nhictl.core.replay.event import Event


class Selected:
    """The events that pass, in the order given, and `unproven` sentences about those that could not be judged."""

    __slots__ = ("events", "unproven")

    def __init__(self, events: list[Event], unproven: list[str]) -> None:
        self.events = events
        self.unproven = unproven


def select(
    events: Iterable[Event],
    *,
    agent: str | None = None,
    task: str | None = None,
    token: str | None = None,
    run: str | None = None,
    since_us: int | None = None,
    until_us: int | None = None,
    instance: str | None = None,
    principal: str | None = None,
    tool: str | None = None,
    resource: str | None = None,
) -> Selected:
    """Keep the events that fit everything asked; None asks nothing.

    `agent` is the id as the evidence has it, or the NAME of a SPIFFE ID that ends in `/agent/NAME`; `token` is a jti;
    `tool` may hold `*` as policies do; `resource` is the name itself or what it lies under, in whole segments;
    `since_us` and `until_us` are both inclusive. An event without a time passes only where no time is asked for, a call
    without a resource or principal only where none is.
    """
    wanted = Selection(
        agent=agent, task=task, token=token, run=run, since_us=since_us, until_us=until_us, instance=instance,
        principal=principal, tool=tool, resource=resource,
    )  # fmt: skip
    return Selected([event for event in events if wanted.passes(event)], wanted.unproven())


class Selection:
    """What `select` asks, event by event, for those that come one at a time."""

    def __init__(self, **asked: Any) -> None:
        self.agent: str | None = asked.get("agent")
        self.since_us: int | None = asked.get("since_us")
        self.until_us: int | None = asked.get("until_us")
        self.resource: str | None = asked.get("resource")
        self.principal: str | None = asked.get("principal")
        self.tool = Glob(asked["tool"]) if asked.get("tool") is not None else None
        names = {"task": "task", "token": "jti", "run": "run", "instance": "inst"}
        self.same = [(names[name], asked[name]) for name in names if asked.get(name) is not None]
        self._missing = {"time": 0, "principal": 0, "resource": 0}

    def passes(self, event: Event) -> bool:
        """Whether an event fits everything asked; what could not be judged is counted."""
        if self.agent is not None and not _is_agent(event.agent, self.agent):
            return False
        if any(getattr(event, name) != value for name, value in self.same):
            return False
        if self.tool is not None and (event.tool is None or not self.tool.matches(event.tool)):
            return False
        for name in ("principal", "resource"):
            asked = getattr(self, name)
            if asked is not None and not _named(getattr(event, name), asked, below=name == "resource"):
                self._missing[name] += event.n is not None and getattr(event, name) is None
                return False
        if self.since_us is None and self.until_us is None:
            return True
        at = instant_us(event.time)
        if at is None:
            self._missing["time"] += 1
            return False
        return (self.since_us is None or at >= self.since_us) and (self.until_us is None or at <= self.until_us)

    def unproven(self) -> list[str]:
        """Sentences about the events that could not be judged."""
        said = []
        if count := self._missing["time"]:
            noun = "event has" if count == 1 else "events have"
            said.append(f"{count} {noun} no time, so whether the time asked for covers it is unknown: left out")
        for name in ("principal", "resource"):
            if count := self._missing[name]:
                noun = "call names" if count == 1 else "calls name"
                said.append(f"{count} {noun} no {name}, so whether it is the one asked for is unknown: left out")
        return said


def _named(found: Any, asked: str, *, below: bool) -> bool:
    if isinstance(found, list):
        return any(_named(one, asked, below=below) for one in found)
    if isinstance(found, dict):
        return any(_named(found.get(name), asked, below=below) for name in ("id", "name", "arn"))
    if not isinstance(found, str):
        return False
    return found == asked or (below and found.startswith(asked if asked.endswith("/") else asked + "/"))


def _is_agent(found: str | None, asked: str) -> bool:
    return found is not None and (
        found == asked or (found.startswith("spiffe://") and found.endswith(f"/agent/{asked}"))
    )


def instant_us(text: str | None) -> int | None:
    """Microseconds since the Unix epoch, UTC, of an RFC 3339 text; None if there is none or it is not one.

    Digits beyond microseconds are cut off.
    """
    if text is None or not text.isascii() or len(text) < 20:
        return None
    if text[4] != "-" or text[7] != "-" or not text[5].isdigit() or text[10] not in "Tt ":
        return None  # other forms of ISO 8601, such as weeks
    from datetime import UTC, datetime, timedelta

    try:
        at = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
