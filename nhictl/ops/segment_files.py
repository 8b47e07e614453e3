"""Segments of the log in files: which were moved out, read back in the place of what is left of their lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from nhictl.core.ledger import record
from nhictl.core.ledger.merkle import leaf_hash
from nhictl.errors import InputError
from nhictl.ops import log_file
from nhictl.ops.house import House
from nhictl.store import log, segments


class MovedOut(NamedTuple):
    """How many records at the beginning of the log have their lines elsewhere, and in which files."""

    size: int
    files: tuple[str, ...]

    def unread(self) -> str:
        """What that leaves open, in words."""
        names = ", ".join(f"`{name}`" for name in self.files[-5:])
        return (
            f"what records before {self.size} say: only their hashes are here, the lines were moved out to {names}"
            " (give the files with --segment)"
        )


def moved_out(house: House) -> MovedOut:
    """As the log itself says: a segment that no `log.exported` of it vouches for was not moved out but taken away."""
    size, files = 0, []
    for segment in segments.all_of(house.db):
        line = log.line(house.db, segment.seq)
        files.append(segment.file)
        if line is not None and _vouches(line, segment):
            size = segment.size
    return MovedOut(size, tuple(files))


def _vouches(line: bytes, segment: segments.Segment) -> bool:
    try:
        said = record.decode(line)
    except record.RecordError:
        return False
    ext = said.get("ext") or {}
    return said["type"] == "log.exported" and ext.get("to") == segment.size and segment.size <= segment.seq


class Rows:
    """The log's rows with the lines of `parts` in the place of leaf hashes; `unread` is whether any is still missing."""

    def __init__(self, house: House, out: MovedOut, parts: Sequence[Path]) -> None:
        self._db = house.db
        self._out = out
        self._parts = sorted(((begin_of(path), path) for path in parts), key=lambda each: each[0])
        self.unread = False

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        if not self._out.size:
            yield from log.chained(self._db)
            return
        self.unread = False
        with ExitStack() as stack:
            files = [(start, iter(_lines(stack, path))) for start, path in self._parts]
            at = 0
            lines: Iterator[bytes] = iter(())
            for seq, line in log.chained(self._db):
                while files and seq >= files[0][0]:
                    at, lines = files.pop(0)
                found = next(lines, None) if seq >= at else None
                if found is None or not log.is_stub(line):
                    self.unread |= log.is_stub(line)
                    yield seq, line
                else:  # a line that is not the one whose hash was kept links to nothing
                    yield seq, found if leaf_hash(found) == line[1:] else b""


def _lines(stack: ExitStack, path: Path) -> Iterator[bytes]:
    file = stack.enter_context(path.open("rb"))
    yield from log_file.read_lines(file, [])


def begin_of(path: Path) -> int:
    """The number of the first record of an exported log or a segment of one; InputError (2) if it is neither."""
    try:
        with path.open("rb") as file:
            return log_file.begin(file)
    except OSError as e:
        raise InputError(f"cannot read `{path}`: {(e.strerror or str(e)).lower()}", code="unreadable") from e
