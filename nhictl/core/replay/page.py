"""All that a page about a story shows, as values; whoever draws it escapes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from nhictl.core.replay.chosen import choose
from nhictl.core.replay.event import summary
from nhictl.core.replay.kinds import kind
from nhictl.core.replay.picture import picture
from nhictl.core.replay.select import instant_us
from nhictl.core.replay.timeline import gist, reason
from nhictl.core.replay.tree import Node, build, label, walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nhictl.core.replay.chosen import Row
    from nhictl.core.replay.event import Event
    from nhictl.core.replay.picture import Picture

_WIDTH = 120


class Leaf(NamedTuple):
    """A node of the tree: depth from 0, whether it has children, names in front of its event, what its event says."""

    depth: int
    has_children: bool
    names: tuple[str, ...]
    time: str | None = None
    what: str | None = None
    outcome: str | None = None
    kind: str = "other"
    said: str | None = None
    reason: str | None = None


class Findings(NamedTuple):
    """Items of `nhictl.detections/v1` about the story, how many others there are, what could not be decided and for want
    of what, and how many detections were asked.
    """

    items: Sequence[Mapping[str, Any]]
    elsewhere: int = 0
    undecided: Sequence[tuple[str, Sequence[str]]] = ()
    asked: int = 0


class Page(NamedTuple):
    """What a page shows. `scope` and `findings` are None where nobody looked; the sections are then absent.

    - `asked`: what the story was narrowed to, and its files, as (name, value).
    - `integrity`, `source`, `unproven`: as in `nhictl.replay/v1`.
    - `summary`: as `core.replay.event.summary`, with `first` and `last` times.
    - `total`: events in the story; `rows`: those that are listed.
    - `scope`: items of `nhictl.scope/v1`.
    """

    asked: Sequence[tuple[str, str]]
    integrity: Mapping[str, Any]
    source: Mapping[str, int]
    unproven: Sequence[str]
    summary: Mapping[str, Any]
    picture: Picture
    tree: Sequence[Leaf]
    rows: Sequence[Row]
    total: int
    scope: Sequence[Mapping[str, Any]] | None = None
    findings: Findings | None = None


def page(
    events: list[Event],
    *,
    asked: Sequence[tuple[str, str]],
    integrity: Mapping[str, Any],
    source: Mapping[str, int],
    unproven: Sequence[str],
    scope: Sequence[Mapping[str, Any]] | None = None,
    findings: Findings | None = None,
) -> Page:
    """The values of a page about these events, in the order of the story."""
    times = [(at, event.time) for event in events if (at := instant_us(event.time)) is not None]
    first, last = min(times, default=(0, None)), max(times, default=(0, None))
    whole = {**summary(events), "first": first[1], "last": last[1]}
    return Page(
        asked, integrity, source, unproven, whole, picture(events), list(leaves(events)),
        choose(events, _deciding(findings.items if findings else ())), len(events), scope, findings,
    )  # fmt: skip


def leaves(events: list[Event]) -> Iterator[Leaf]:
    """The causal tree, depth first."""
    for depth, _, node in walk(build(events, width=_WIDTH)):
        yield _leaf(depth, node)


def _leaf(depth: int, node: Node) -> Leaf:
    event = node.event
    if event is None:
        return Leaf(depth, bool(node.children), node.label)
    tail = label(event, _WIDTH)
    names = node.label[: len(node.label) - len(tail)] if node.label[-len(tail) :] == tail else node.label
    what = f"#{event.n} {event.tool or '?'}" if event.n is not None else None if event.type == "run" else event.type
    if event.n is None and event.tool is not None:
        what = f"{what} {event.tool}"
    return Leaf(
        depth, bool(node.children), names, event.time, what, event.outcome, kind(event), gist(event, _WIDTH),
        reason(event, _WIDTH),
    )  # fmt: skip


def _deciding(detections: Sequence[Mapping[str, Any]]) -> set[int]:
    found = set()
    for one in detections:
        for record in one["records"]:
            if isinstance(seq := record.get("seq"), int):
                found.add(seq)
    return found
