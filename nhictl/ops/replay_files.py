"""Replay of files: foreign logs and our own exported ones, one or many, as one sequence of events. No home is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from nhictl.core.ledger import record
from nhictl.core.ledger import verify as ledger
from nhictl.core.replay import own
from nhictl.core.replay.event import Event
from nhictl.core.replay.merge import merge
from nhictl.errors import InputError
from nhictl.formats import ForeignFormatError
from nhictl.ops import audit_log, log_file, sources
from nhictl.ops.house import House

UNSIGNED = ledger.Integrity(
    "UNSIGNED", 0, b"", None, None, None, "foreign logs carry no proof",
    ("that nothing was altered, added or left out: a foreign log carries no signature",),
)  # fmt: skip
Keys = Sequence[tuple[str | None, bytes]] | None
_HELD = 8192


class Asked:
    """How files are to be read: the format if one was named, the map of a generic log, the log keys that are trusted."""

    def __init__(self, house: House, chosen: str | None, mapping: bytes | None, keys: Keys, task: str | None) -> None:
        self.house = house
        self.chosen = chosen
        self.mapping = mapping
        self.keys = keys
        self.task = task


class File:
    """One file: its events, once, and when they have ended what it proves, counts and leaves open, or why it is refused."""

    def __init__(self, source: sources.Source, asked: Asked) -> None:
        self.source = source
        self.asked = asked
        self.verdict: ledger.Integrity | None = None
        self.counts = (0, 0, 0)
        self.unproven: list[str] = []
        self.refused: InputError | None = None

    def is_native(self) -> bool:
        """Whether it is an exported log of ours; a pipe is not looked into and never is."""
        if self.asked.chosen not in (None, "nhictl") or not self.source.path.is_file():
            return self.asked.chosen == "nhictl"
        with sources.open_source(self.source) as opened:
            return sources.is_native(opened.head)

    def events(self) -> Iterator[Event]:
        """The events; of a file that turns out to be refused none, unless it is long."""
        try:
            with sources.open_source(self.source) as opened:
                if self.asked.chosen in (None, "nhictl") and sources.is_native(opened.head):
                    yield from self._native(opened)
                else:
                    yield from self._foreign(opened)
        except InputError as e:
            self.refused = e

    def _foreign(self, opened: sources.Opened) -> Iterator[Event]:
        if self.asked.chosen == "nhictl":
            raise ForeignFormatError(f"`{self.source.path}` is not an exported log of ours")
        reading = opened.begin(self.asked.chosen, self.asked.mapping)
        source = opened.events(reading)
        held: list[Event] = []
        for event in source:
            held.append(event)
            if reading.parsed or len(held) > _HELD:
                break
        yield from chain(held, source)
        self.verdict = UNSIGNED
        self.counts = (reading.parsed, reading.opaque, reading.failed)
        self.unproven = reading.problems

    def _native(self, opened: sources.Opened) -> Iterator[Event]:
        """Our own log. Lines are looked through for the task asked for before they are parsed: we wrote them, so its id
        stands in them as it is, while another's JSON could hide it behind escapes.
        """
        asked = self.asked
        if str(self.source.path) == sources.STDIN:
            raise InputError("a log of ours is verified as well, which takes a file, not a pipe", code="usage")
        self.verdict = audit_log.verify_file(self.source.path, asked.house, (), asked.keys)
        needle = f'"task":"{asked.task}"'.encode() if asked.task is not None else None
        good, bad = decode(
            (seq, line) for seq, line in enumerate(log_file.read_lines(opened.file(), []))
            if needle is None or needle in line
        )  # fmt: skip
        folded = own.fold(good, lambda _seq, _label: None, None)
        self.counts, self.unproven = (len(good), 0, bad), folded.unproven
        yield from folded.events


class Files:
    """Several files read as one. What they prove and leave open is known when the events have ended."""

    def __init__(self, paths: Sequence[str], asked: Asked) -> None:
        self.files = [File(source, asked) for source in sources.find(paths)]

    def events(self) -> Iterator[Event]:
        """Every event, merged by time."""
        return merge([file.events() for file in self.files])

    @property
    def counts(self) -> tuple[int, int, int]:
        """Records parsed, opaque and failed."""
        parsed, opaque, failed = (sum(file.counts[place] for file in self.files) for place in range(3))
        return parsed, opaque, failed

    @property
    def unproven(self) -> list[str]:
        """What the files leave open, in their order."""
        return [sentence for file in self.files for sentence in file.unproven]

    @property
    def refused(self) -> list[InputError]:
        """Why files were refused."""
        return [file.refused for file in self.files if file.refused is not None]

    def verdict(self) -> ledger.Integrity:
        """The worst of what they prove; InputError if none of them is a log."""
        verdicts = [file.verdict for file in self.files if file.verdict is not None and file.refused is None]
        if not verdicts:
            refused = self.refused
            raise refused[0] if len(refused) == 1 else InputError(
                f"none of {len(refused)} files is a log: {refused[0].message}", code="foreign_format",
                hint=refused[0].hint,
            )  # fmt: skip
        faulty = sorted((v for v in verdicts if v.exit != 0 and v is not UNSIGNED), key=lambda v: v.exit)
        return faulty[0] if faulty else UNSIGNED if UNSIGNED in verdicts else verdicts[0]


def decode(rows: Iterator[tuple[int, bytes]]) -> tuple[list[tuple[int, dict[str, Any]]], int]:
    """Record lines as members; lines that are no records of ours are counted, and the verdict tells of them."""
    bad: list[None] = []
    good = list(record.decoded(rows, lambda: bad.append(None)))
    return good, len(bad)
