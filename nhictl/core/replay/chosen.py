"""Which events of a long story a page shows: those that decide something, those that went wrong, then the first ones."""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nhictl.core.replay.kinds import kind
from nhictl.core.replay.timeline import gist, plain, reason

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from nhictl.core.replay.event import Event

ROWS: Final = 1500
"""Events that a page shows at most."""
DETAIL: Final = 2000
"""Characters of arguments, result or message that a page shows at most."""


class Row(NamedTuple):
    """One event as shown: `place` in the story from 0; `detail` as (name, text, characters left out)."""

    place: int
    seq: int | None
    n: int | None
    time: str | None
    agent: str | None
    run: str | None
    type: str
    tool: str | None
    said: str | None
    outcome: str | None
    kind: str
    reason: str | None
    evidence: str
    jti: str | None
    detail: tuple[tuple[str, str, int], ...]


def choose(events: Sequence[Event], deciding: Collection[int] = (), *, most: int = ROWS) -> list[Row]:
    """At most `most` rows in the order of the story; `deciding` are record numbers (`seq`) that are wanted first."""
    if len(events) <= most:
        return [_row(place, event) for place, event in enumerate(events)]
    wanted: set[int] = set()
    for places in (
        (place for place, event in enumerate(events) if event.seq is not None and event.seq in deciding),
        (place for place, event in enumerate(events) if kind(event) in ("denied", "error", "ends")),
        iter(range(len(events))),
    ):
        for place in places:
            if len(wanted) == most:
                break
            wanted.add(place)
    return [_row(place, events[place]) for place in sorted(wanted)]


def _row(place: int, event: Event) -> Row:
    return Row(
        place, event.seq, event.n, event.time, event.agent, event.run, event.type, event.tool, gist(event, 140),
        event.outcome, kind(event), reason(event, 140), event.evidence, event.jti, tuple(_detail(event)),
    )  # fmt: skip


def _detail(event: Event) -> list[tuple[str, str, int]]:
    """What is longer than one line says: arguments, message, result, error."""
    found: list[tuple[str, Any]] = [("arguments", event.args), ("resource", event.resource), ("result", event.result)]
    if event.has_content:
        found.append(("message", plain(event.content)))
    found.append(("error", event.error))
    return [(name, *_cut(value)) for name, value in found if value is not None]


def _cut(value: Any) -> tuple[str, int]:
    text = value if isinstance(value, str) else dumps(value, ensure_ascii=False, indent=2)
    return text[:DETAIL], max(0, len(text) - DETAIL)
