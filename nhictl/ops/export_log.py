"""`audit export --to ocsf|timesketch|csv` and `audit tail`: records on their way to other systems, in constant memory.

Records are read in pieces of a thousand, so that a slow reader keeps nothing of the database from being tidied up; the log
only grows, so pieces fit together. What follows the log holds every record against the one before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from nhictl.core.ledger import record
from nhictl.errors import ConflictError, InputError, UndecidableError, UnsafeError
from nhictl.ops import segment_files
from nhictl.ops.house import House
from nhictl.store import log, sqlite

FORMATS: Final = ("record", "native", "ocsf", "timesketch", "csv")
_PIECE: Final = 1000


def window(house: House, since_us: int | None, until_us: int | None) -> tuple[int, int]:
    """The numbers of the first record not before `since_us` and of the first one after `until_us`."""
    if since_us is not None and until_us is not None and since_us > until_us:
        raise InputError("--since has to be before --until", code="usage")
    with sqlite.guarded("read the log"):
        head = log.head(house.db)
        size = head.size if head else 0
        start = segment_files.moved_out(house).size
        if since_us is not None:
            start = max(start, log.size_at(house.db, since_us - 1))
        return start, size if until_us is None else min(size, log.size_at(house.db, until_us))


def lines(house: House, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Stored lines by number, read piece by piece; UnsafeError (6) where one is missing."""
    while start < end:
        with sqlite.guarded("read the log"):
            piece = log.piece(house.db, start, min(end, start + _PIECE))
        for expected, (seq, line) in enumerate(piece, start):
            if seq != expected:
                break
            yield seq, line
        if not piece or piece[-1][0] != start + len(piece) - 1 or len(piece) < min(end - start, _PIECE):
            raise _missing(start + len(piece))
        start += len(piece)


def moved_out(house: House) -> str | None:
    """What an export of everything leaves out, in words; None if it is nothing."""
    with sqlite.guarded("read the log"):
        out = segment_files.moved_out(house)
    return f"it begins with record {out.size}: earlier lines are in {', '.join(out.files)}" if out.size else None


def _missing(seq: int) -> UnsafeError:
    return UnsafeError(
        f"record {seq} is not in the log", code="store_damaged", hint="look at it with: nhictl audit verify"
    )


def shaper(house: House, to: str) -> Callable[[int, bytes, dict[str, Any]], Any]:
    """What makes of a record's number, line and members what format `to` has: an object, or a row of cells."""
    chain, domain = house.meta["chain"], house.meta["trust_domain"]
    if to == "ocsf":
        from nhictl import __version__
        from nhictl.formats import ocsf

        return lambda seq, line, members: ocsf.event(seq, line, members, chain, domain, __version__)
    if to == "timesketch":
        from nhictl.formats import timesketch

        return lambda seq, line, members: timesketch.event(seq, line, members, chain)
    if to == "csv":
        from nhictl.formats import log_csv

        return log_csv.row
    return lambda seq, _, members: {"schema": "nhictl.record/v1", "seq": seq, "record": members}


def shaped(house: House, to: str, found: Iterator[tuple[int, bytes]]) -> Iterator[Any]:
    """Records in format `to`; UnsafeError (6) for a line that is no record of ours: nothing is made up for it."""
    make = shaper(house, to)
    for seq, line in found:
        try:
            members = record.decode(line)
        except record.RecordError as e:
            hint = "look at it with: nhictl audit verify"
            raise UnsafeError(f"record {seq} cannot be read: {e}", code="store_damaged", hint=hint) from e
        yield make(seq, line, members)


class Tail:
    """The records from a number on, and then those that come."""

    def __init__(self, house: House, start: int | None, last: int) -> None:
        """From record `start` on, else the `last` ones; ConflictError (5) for a number that the log has not reached."""
        self.house = house
        with sqlite.guarded("read the log"):
            head = log.head(house.db)
            size = head.size if head else 0
            self.next = max(0, size - last) if start is None else start
            if self.next > size:
                raise ConflictError(
                    f"the log has {size} records: it ends before record {self.next}", code="cursor_ahead",
                    hint="was it put back to an older state? nhictl doctor",
                )  # fmt: skip
            out = segment_files.moved_out(house)
            if start is not None and start < out.size:
                raise UndecidableError(
                    f"the lines of records before {out.size} were moved out to {', '.join(out.files)}",
                    code="records_moved_out", hint=f"ship those files, then go on with --from-seq {out.size}",
                )  # fmt: skip
            self.next = max(self.next, out.size)
            before = log.line(house.db, self.next - 1) if self.next > out.size else None
        self._prev = record.next_prev(before) if before is not None else None

    def new(self) -> Iterator[tuple[int, bytes]]:
        """What has come since; UnsafeError (6) if the log went back, was replaced, or does not go on where it was."""
        self.house.check_in_place()
        with sqlite.guarded("read the log"):
            head = log.head(self.house.db)
        size = head.size if head else 0
        if size < self.next:
            raise UnsafeError(
                f"the log went back: it has {size} records, {self.next} were here", code="store_rolled_back",
                hint="nhictl doctor",
            )  # fmt: skip
        for seq, line in lines(self.house, self.next, size):
            if self._prev is not None and not line.endswith(b',"prev":"' + self._prev.encode() + b'"}'):
                raise UnsafeError(f"record {seq} does not follow the one before", code="store_damaged")
            self._prev = record.next_prev(line)
            self.next = seq + 1
            yield seq, line

    def changed(self) -> int:
        """A number that is another one once anybody has committed something."""
        with sqlite.guarded("look at the database"):
            return log.version(self.house.db)


def columns() -> tuple[str, ...]:
    """The columns of `csv`."""
    from nhictl.formats.log_csv import COLUMNS

    return COLUMNS
