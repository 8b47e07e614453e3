"""Filters over events; what a filter leaves out for want of evidence is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
) -> Selected:
    """Keep the events that fit everything asked; None asks nothing.

    `agent` is the id as the evidence has it, or the NAME of a SPIFFE ID that ends in `/agent/NAME`; `token` is a jti;
    `since_us` and `until_us` are both inclusive. An event without a time passes only where no time is asked for.
    """
    kept = []
    timeless = 0
    timed = since_us is not None or until_us is not None
    for event in events:
        if agent is not None and not _is_agent(event.agent, agent):
            continue
        if (task is not None and event.task != task) or (run is not None and event.run != run):
            continue
        if token is not None and event.jti != token:
            continue
        if timed:
            at = instant_us(event.time)
            if at is None:
                timeless += 1
                continue
            if (since_us is not None and at < since_us) or (until_us is not None and at > until_us):
                continue
        kept.append(event)
    unproven = []
    if timeless:
        noun = "event has" if timeless == 1 else "events have"
        unproven.append(f"{timeless} {noun} no time, so whether the time asked for covers it is unknown: left out")
    return Selected(kept, unproven)


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
