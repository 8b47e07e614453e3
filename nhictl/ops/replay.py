"""`audit replay`: from the home's log, an exported log, or foreign logs, one sequence of events and what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any, NamedTuple

from nhictl import formats
from nhictl.core.ledger import record
from nhictl.core.ledger import verify as ledger
from nhictl.core.replay import own, timeline
from nhictl.core.replay import tree as trees
from nhictl.core.replay.event import Event
from nhictl.core.replay.select import select
from nhictl.errors import InputError
from nhictl.ops import audit_log, log_file, segment_files, sources, tasks
from nhictl.ops.contents import Contents
from nhictl.ops.house import House
from nhictl.store import log, sqlite


class Filter(NamedTuple):
    """What to keep; None keeps everything."""

    agent: str | None = None
    task: str | None = None
    token: str | None = None
    run: str | None = None
    since_us: int | None = None
    until_us: int | None = None


class Story(NamedTuple):
    """Events in order, what their source proves, counts of its records (parsed, opaque, failed), and what is unproven."""

    integrity: dict[str, Any]
    exit: int
    counts: tuple[int, int, int]
    events: list[Event]
    unproven: list[str]
    refused: list[InputError]


UNSIGNED = ledger.Integrity(
    "UNSIGNED", 0, b"", None, None, None, "foreign logs carry no proof",
    ("that nothing was altered, added or left out: a foreign log carries no signature",),
)  # fmt: skip


def from_home(house: House, wanted: Filter, below: int | None = None) -> Story:
    """Replay the home's own log."""
    found = audit_log.verify_home(house, ())
    with sqlite.guarded("read the log"):
        ident = tasks.find(house, wanted.task).id if wanted.task else None
        rows = list(log.lines(house.db, ident, below))
        opener = Contents(house)
        good, bad = _decode(iter(rows))
        folded = own.fold(good, opener.content, _reimport)
        out = segment_files.moved_out(house)
        if out.size:
            folded.unproven.append(
                f"records before {out.size} are not shown: their lines are in {', '.join(out.files)}"
            )
    return _story(
        found, 0 if found.exit == 0 else found.exit, (len(good), 0, bad), folded.events, folded.unproven, wanted, []
    )


def from_files(
    house: House,
    paths: Sequence[str],
    chosen: str | None,
    wanted: Filter,
    keys: Sequence[tuple[str | None, bytes]] | None = None,
) -> Story:
    """Replay files; no home is needed. A file that is no log is refused by name, the others are replayed."""
    events: list[Event] = []
    unproven: list[str] = []
    refused: list[InputError] = []
    verdicts: list[ledger.Integrity] = []
    counts = (0, 0, 0)
    for source in sources.find(paths):
        try:
            data = sources.read(source)
            if chosen in (None, "nhictl") and sources.is_native(data):
                verdicts.append(audit_log.verify_file(source.path, house, (), keys))
                good, bad = _decode(enumerate(log_file.read_lines(BytesIO(data), [])))
                folded = own.fold(good, lambda _seq, _label: None, None)
                events += folded.events
                unproven += folded.unproven
                more = (len(good), 0, bad)
            else:
                made = sources.interpret(source, data, chosen)
                verdicts.append(UNSIGNED)
                events += made.events
                unproven += made.problems
                more = (made.parsed, made.opaque, made.failed)
            counts = (counts[0] + more[0], counts[1] + more[1], counts[2] + more[2])
        except InputError as e:
            refused.append(e)
    if not verdicts:
        raise refused[0] if len(refused) == 1 else InputError(
            f"none of {len(refused)} files is a log: {refused[0].message}", code="foreign_format", hint=refused[0].hint
        )  # fmt: skip
    faulty = sorted((v for v in verdicts if v.exit != 0 and v is not UNSIGNED), key=lambda v: v.exit)
    worst = faulty[0] if faulty else None
    found = worst or (UNSIGNED if UNSIGNED in verdicts else verdicts[0])
    return _story(found, 0 if found is UNSIGNED else found.exit, counts, events, unproven, wanted, refused)


COLUMNS = timeline.COLUMNS


def rows(story: Story) -> Iterator[Sequence[Any]]:
    """The timeline, a row an event, under `COLUMNS`."""
    return timeline.rows(story.events)


def lines(story: Story) -> Iterator[tuple[int, str, str | None]]:
    """The timeline for reading: headings at depth 0, events at 1 with their outcome."""
    return timeline.lines(story.events)


def tree(story: Story) -> Iterator[tuple[int, str]]:
    """The causal tree, depth first: depth from 0 and what the node says."""
    return ((depth, " ".join(node.label)) for depth, _, node in trees.walk(trees.build(story.events)))


def _story(
    found: ledger.Integrity, code: int, counts: tuple[int, int, int], events: list[Event], unproven: list[str],
    wanted: Filter, refused: list[InputError],
) -> Story:  # fmt: skip
    kept = select(events, **wanted._asdict())
    said = [*found.unproven, *unproven, *kept.unproven]
    return Story(found.to_json(), code, counts, kept.events, list(dict.fromkeys(said)), refused)


def _decode(rows: Iterator[tuple[int, bytes]]) -> tuple[list[tuple[int, dict[str, Any]]], int]:
    """Record lines as members; lines that are no records of ours are counted, and the verdict tells of them."""
    good, bad = [], 0
    for seq, line in rows:
        try:
            good.append((seq, record.decode(line)))
        except record.RecordError:
            bad += 1
    return good, bad


def _reimport(imp: str, data: bytes, run: str) -> list[Event]:
    return formats.read(imp, data, run=run, file=run).events
