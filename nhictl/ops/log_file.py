"""An exported log as a file or a pipe: its record lines in batches, and the checkpoints on its last line.

A pipe is read once, and its checkpoints come last: the hashes of its lines (32 bytes each) wait for them in a temporary
file without a name, so that a pipe is judged by the same as a file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from typing import Any, BinaryIO, Final, NamedTuple

from nhictl.core import strict_json
from nhictl.core.ledger import checkpoint
from nhictl.core.ledger.scan import Scan, roots_of, scan

CHECKPOINTS: Final = "nhictl.checkpoints/v1"
_BLOCK: Final = 1 << 16
"""Bytes that are read and worked on at a time: what stays in a processor's cache is hashed faster."""
_LONGEST: Final = 1 << 20
"""Bytes of the longest line that is looked at, that of the checkpoints included."""


class Read(NamedTuple):
    """One pass over a file: the scan, its checkpoints, and whether it ends with the line of them."""

    scan: Scan
    notes: list[str]
    complete: bool


def scanned(file: BinaryIO, marks: set[int]) -> Read:
    """Scan a log once, with roots at `marks` and at the sizes of its own checkpoints."""
    with ExitStack() as stack:
        known = _final_notes(file) if file.seekable() else None
        end: list[dict[str, Any]] = []
        batches = read_batches(file, end)
        if known is not None:
            done = scan(batches, marks | _sizes(known))
            return Read(done, known, bool(end) and "torn" not in end[-1])
        kept = stack.enter_context(tempfile.TemporaryFile(prefix="nhictl-"))
        done = scan(batches, marks, kept.write)
        for _ in batches:  # a line that does not link ended the scan; the checkpoints say from where on not to trust it
            pass
        complete = bool(end) and "torn" not in end[-1]
        notes = list(end[-1]["notes"]) if complete else []
        more = _sizes(notes) - done.roots.keys()
        kept.seek(0)
        blocks = iter(lambda: kept.read(_BLOCK), b"")
        roots = done.roots | roots_of(blocks, more) if more - {done.size} else done.roots | {done.size: done.root}
        return Read(done._replace(roots=roots), notes, complete)


def read_batches(file: BinaryIO, notes: list[dict[str, Any]]) -> Iterator[list[bytes]]:
    """The record lines of an exported log, a block at a time; its last line, the checkpoints, goes to `notes` instead.

    A torn end, or a line over a megabyte, is handed on as it is and links to nothing; memory stays bounded.
    """
    held: list[bytes] = []
    rest = b""
    while block := file.read(_BLOCK):
        parts = (rest + block).split(b"\n")
        rest = parts.pop()
        if parts:
            batch = held + parts
            held = [batch.pop()]  # it may be the last line, which is no record
            yield batch
        if len(rest) > _LONGEST:  # no record of ours is that long: not a torn end, and never held whole
            yield [*held, rest[:1024]]
            return
    if held:
        final = _checkpoints(held[0]) if not rest else None
        if final is None:
            yield held
        else:
            notes.append(final)
    if rest:
        notes.append({"torn": rest})


def read_lines(file: BinaryIO, notes: list[dict[str, Any]]) -> Iterator[bytes]:
    """The same, line by line."""
    return chain.from_iterable(read_batches(file, notes))


def _checkpoints(line: bytes) -> dict[str, Any] | None:
    if not line.startswith(b'{"schema":"' + CHECKPOINTS.encode()):
        return None
    try:
        value = strict_json.loads(line)
    except strict_json.StrictJSONError:
        return None
    good = isinstance(value, dict) and all(
        isinstance(value.get(k), list) and all(isinstance(x, str) for x in value[k]) for k in ("keys", "notes")
    )
    return value if good else None


def _final_notes(file: BinaryIO) -> list[str]:
    """The notes on the last line, found from the end without reading the file; it is then at its beginning again."""
    final = _checkpoints(_tail(file))
    return list(final["notes"]) if final else []


def _tail(file: BinaryIO) -> bytes:
    """The last line of a file, which then stands where it stood."""
    start = file.tell()
    size = file.seek(0, 2)
    file.seek(max(start, size - _LONGEST))
    tail = file.read(_LONGEST).rstrip(b"\n").rpartition(b"\n")[2]
    file.seek(start)
    return tail


def begin(file: BinaryIO) -> int:
    """The number of the first record in it, as its last line says; 0 where that says nothing."""
    final = _checkpoints(_tail(file))
    found = final.get("from", 0) if final else 0
    return found if type(found) is int and found >= 0 else 0


class Joined:
    """Files that follow one another as one log: of all but the last their line of checkpoints is left out.

    Read like a pipe, since what is known of the whole stands at the end of the last.
    """

    def __init__(self, files: Sequence[BinaryIO]) -> None:
        self._files = [
            (file, _end_of_records(file) if number < len(files) else None) for number, file in enumerate(files, 1)
        ]

    def seekable(self) -> bool:
        """It is not."""
        return False

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; none at the end."""
        while self._files:
            file, end = self._files[0]
            block = file.read(size if end is None else min(size, end - file.tell()))
            if block:
                return block
            self._files.pop(0)
        return b""


def _end_of_records(file: BinaryIO) -> int:
    """Where the last line of a file begins if it is that of checkpoints, else where the file ends."""
    last = _tail(file)
    begin_at = file.tell()
    size = file.seek(0, 2)
    file.seek(begin_at)
    return size - len(last) - 1 if _checkpoints(last) else size


def _sizes(notes: Iterable[str]) -> set[int]:
    found = set()
    for note in notes:
        try:
            found.add(checkpoint.parse(note).size)
        except checkpoint.NoteError:
            continue
    return found
