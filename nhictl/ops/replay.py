"""`audit replay`: from the home's log, an exported log, or foreign logs, one sequence of events and what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from nhictl import formats
from nhictl.core.ledger import verify as ledger
from nhictl.core.replay import own, timeline
from nhictl.core.replay.event import Event
from nhictl.core.replay.join import join
from nhictl.core.replay.select import Selection, select
from nhictl.errors import InputError
from nhictl.ops import audit_log, segment_files, task_records, tasks
from nhictl.ops.contents import Contents
from nhictl.ops.house import House
from nhictl.ops.replay_files import UNSIGNED, Asked, Files, Keys, decode
from nhictl.store import log, sqlite


class Filter(NamedTuple):
    """What to keep; None keeps everything."""

    agent: str | None = None
    task: str | None = None
    token: str | None = None
    run: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    instance: str | None = None
    principal: str | None = None
    tool: str | None = None
    resource: str | None = None


class Story(NamedTuple):
    """Events in order, what their source proves, counts of its records (parsed, opaque, failed), and what is unproven."""

    integrity: dict[str, Any]
    exit: int
    counts: tuple[int, int, int]
    events: list[Event]
    unproven: list[str]
    refused: list[InputError]


def from_home(house: House, wanted: Filter) -> Story:
    """Replay the home's own log: of one task by the index, without reading the others."""
    with sqlite.guarded("read the log"):
        read = _rows(house, wanted.task)
        rows, found = read.rows, read.integrity
        opener = Contents(house)
        good, bad = decode(iter(rows))
        folded = own.fold(good, opener.content, reimport)
        out = segment_files.moved_out(house)
        if out.size:
            folded.unproven.append(
                f"records before {out.size} are not shown: their lines are in {', '.join(out.files)}"
            )
    if any(event.seq is None for event in folded.events):  # what was imported may tell of our own acts
        join(folded.events)
    story = _story(found, found.exit, (len(good), 0, bad), folded.events, folded.unproven, wanted, [])
    story.integrity["covers"] = "log" if read.whole else "task"
    return story


def _rows(house: House, task: str | None) -> task_records.TaskRecords:
    if task is not None:
        return task_records.read(house, tasks.find(house, task))
    found = audit_log.verify_home(house, ())
    return task_records.TaskRecords(list(log.lines(house.db)), found, whole=True)


def from_files(
    house: House, paths: Sequence[str], chosen: str | None, wanted: Filter, keys: Keys = None,
    mapping: bytes | None = None,
) -> Story:  # fmt: skip
    """Replay files; no home is needed. A file that is no log is refused by name, the others are replayed.

    `mapping` is the map of a generic log. What several files say of one act is linked (`core.replay.join`).
    """
    files = Files(paths, Asked(house, chosen, mapping, keys, wanted.task))
    events = list(files.events())
    found = files.verdict()
    if len(files.files) > 1:
        join(events)
    code = 0 if found is UNSIGNED else found.exit
    return _story(found, code, files.counts, events, files.unproven, wanted, files.refused)


class Stream:
    """One foreign file's events as they are read, in bounded memory; `from_files` gives the same ones."""

    def __init__(self, files: Files, wanted: Filter) -> None:
        self._files = files
        self._wanted = Selection(**wanted._asdict())

    def events(self) -> Iterator[Event]:
        """The events that pass; InputError, perhaps after the first of them, if the file cannot be read to its end."""
        yield from filter(self._wanted.passes, self._files.events())
        self._files.verdict()


def stream(
    house: House, paths: Sequence[str], chosen: str | None, wanted: Filter, mapping: bytes | None = None
) -> Stream | None:
    """A stream of the events, if the paths are one foreign file; None otherwise: several have to be joined first."""
    files = Files(paths, Asked(house, chosen, mapping, None, wanted.task))
    return Stream(files, wanted) if len(files.files) == 1 and not files.files[0].is_native() else None


COLUMNS = timeline.COLUMNS


def rows(story: Story) -> Iterator[Sequence[Any]]:
    """The timeline, a row an event, under `COLUMNS`."""
    return timeline.rows(story.events)


def lines(story: Story) -> Iterator[tuple[int, str, str | None]]:
    """The timeline for reading: headings at depth 0, events at 1 with their outcome."""
    return timeline.lines(story.events)


def tree(story: Story) -> Iterator[tuple[int, str, str]]:
    """The causal tree, depth first: depth from 0, what the node says, and its kind (`core.replay.kinds`, or `group`).

    What matters most stands first, since a narrow terminal cuts the end.
    """
    from nhictl.core.replay.page import leaves

    for leaf in leaves(story.events):
        time = None if leaf.time is None else leaf.time[:19] + "Z"
        parts = (*leaf.names, leaf.what, leaf.outcome, leaf.reason, leaf.said, time)
        kind = "group" if leaf.names and leaf.kind == "other" else leaf.kind
        yield leaf.depth, " ".join(part for part in parts if part), kind


def _story(
    found: ledger.Integrity, code: int, counts: tuple[int, int, int], events: list[Event], unproven: list[str],
    wanted: Filter, refused: list[InputError],
) -> Story:  # fmt: skip
    kept = select(events, **wanted._asdict())
    said = [*found.unproven, *unproven, *kept.unproven]
    return Story(found.to_json(), code, counts, kept.events, list(dict.fromkeys(said)), refused)


def reimport(imp: str, data: bytes, run: str, mapping: str | None = None) -> list[Event]:
    """Read an imported file again with the importer that its record names."""
    return formats.read(imp, data, run=run, file=run, mapping=None if mapping is None else mapping.encode()).events
